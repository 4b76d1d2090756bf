"""The summary of a measurement: what most readers compare, in one table for README.md and the head of the report."""

from collections.abc import Iterable

from tests.load.bench.tables import Table
from tests.load.measuring.wrk import Run
from tests.load.peers import ENVOY, FASTIFY_CACHED, HAPROXY, INTERPRETED, NGINX_KEEPALIVE, PLAIN, SALLYPORT

COLUMNS = {"mix": "the mix of an application", "both": "every path and head new", "identical": "identical requests"}
"""The workloads of the summary, in their order, and the heads of their columns."""
_ROWS = {
    PLAIN: "nginx, new upstream connections, no authentication",
    NGINX_KEEPALIVE: "nginx, upstream keep-alive, no authentication",
    SALLYPORT: "**Sallyport**",
    INTERPRETED: "Sallyport, interpreted",
    HAPROXY: "HAProxy, verifies each time",
    ENVOY: "Envoy with its JWT filter",
    FASTIFY_CACHED: "fastify, cached tokens",
}


def summary_lines(tables: Iterable[Table]) -> list[str]:
    """Return a Markdown table of requests/s with the CPU time, or no line if a workload of it was not measured."""
    runs = {table.name: {row.server: row.run for row in table.rows} for table in tables}
    if not all(work in runs for work in COLUMNS):
        return []
    return [
        f"| requests/s (CPU µs per request) | {' | '.join(COLUMNS.values())} |",
        f"|---|{'---|' * len(COLUMNS)}",
        *(
            f"| {title} | {' | '.join(_cell(runs[work].get(server)) for work in COLUMNS)} |"
            for server, title in _ROWS.items()
            if server in runs["mix"]
        ),
    ]


def _cell(run: Run | None) -> str:
    return f"{run.rate:,.0f} ({run.cpu:,.0f})" if run else "-"
