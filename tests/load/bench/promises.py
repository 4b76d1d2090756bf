"""Compare the measurements with the promises: each promise with this run's figure, kept or not."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from tests.load import peers
from tests.load.bench.session_kinds import DJANGO, HASH, LOGIN, REFRESH
from tests.load.bench.session_kinds import OURS as OUR_AUTH_SERVICE
from tests.load.bench.tables import MIB, NGINX_BASES, Table
from tests.load.measuring.workloads import SLOW
from tests.load.measuring.wrk import Run

Runs = Mapping[str, Mapping[str, Run]]
"""The medians, by workload and server."""
OURS = peers.SALLYPORT


@dataclass(frozen=True, slots=True)
class Promise:
    """A figure and its lower or upper bound. `needs` names the workloads and servers from which it is computed."""

    title: str
    needs: tuple[tuple[str, str], ...]
    figure: Callable[[Runs], float]
    least: float | None = None
    most: float | None = None
    unit: str = "x"

    def is_kept(self, figure: float) -> bool:
        """Return whether the figure is within its bound."""
        return (self.least is None or figure >= self.least) and (self.most is None or figure <= self.most)

    @property
    def bound(self) -> str:
        """Return the bound as text."""
        return (
            f"at least {self.least:g} {self.unit}" if self.least is not None else f"at most {self.most:g} {self.unit}"
        )


def _rate_over(work: str, other: str, least: float, title: str, *, ours: str = OURS) -> Promise:
    needs = ((work, ours), (work, other))
    return Promise(title, needs, lambda runs: runs[work][ours].rate / runs[work][other].rate, least=least)


def _cpu_over(work: str, other: str, most: float, title: str, *, ours: str = OURS) -> Promise:
    needs = ((work, ours), (work, other))
    return Promise(title, needs, lambda runs: runs[work][ours].cpu / runs[work][other].cpu, most=most)


def _p99_over(work: str, others: tuple[str, ...], title: str) -> Promise:
    """Return the promise that Sallyport's p99 is not above the lowest of `others`."""
    needs = tuple((work, server) for server in (OURS, *others))
    return Promise(
        title, needs, lambda runs: runs[work][OURS].p99 / min(runs[work][other].p99 for other in others), most=1
    )


def _cookie_over_bearer(runs: Runs) -> float:
    return runs["cookie"][OURS].cpu / runs["both"][OURS].cpu


PROMISES = (
    _rate_over("mix", peers.NGINX_KEEPALIVE, 0.6, "mix: requests/s over nginx keep-alive"),
    _p99_over("mix", (peers.ENVOY,), "mix, 32 connections: p99 over Envoy"),
    _p99_over("mix-paced", (peers.ENVOY,), "mix below saturation, 32 connections: p99 over Envoy"),
    _rate_over("both", peers.NGINX_KEEPALIVE, 0.55, "path and head new: requests/s over nginx keep-alive"),
    _cpu_over("both", peers.NGINX_KEEPALIVE, 2.2, "path and head new: CPU a request over nginx keep-alive"),
    _rate_over("both", peers.PLAIN, 1.5, "path and head new: requests/s over plain nginx"),
    _rate_over("both", peers.ENVOY, 1, "path and head new: requests/s over Envoy"),
    _rate_over("identical", peers.NGINX_KEEPALIVE, 0.75, "identical requests: requests/s over nginx keep-alive"),
    Promise(
        "path and head new, session cookie: CPU a request over that with a token",
        (("cookie", OURS), ("both", OURS)),
        _cookie_over_bearer,
        most=1.15,
    ),
    _cpu_over("both", peers.UNCOUNTED, 1.05, "path and head new: CPU a request over that without metrics"),
    _cpu_over("identical", peers.UNCOUNTED, 1.05, "identical requests: CPU a request over that without metrics"),
    *(
        _cpu_over(
            work,
            peers.UNOBSERVED,
            1.05,
            f"{title}: CPU a request with metrics, log and 1 % of traces over that with none",
            ours=peers.SAMPLED,
        )
        for work, title in (("both", "path and head new"), ("identical", "identical requests"))
    ),
    _cpu_over("no-token", peers.ENVOY, 1.5, "401 without a token: CPU a request over Envoy"),
    _cpu_over("bad-token", peers.ENVOY, 1.5, "401 for a bad signature: CPU a request over Envoy"),
    _p99_over("slow-2000", NGINX_BASES, "200 ms, 2,000 connections: p99 over the faster nginx"),
    _rate_over("valid", peers.PLAIN, 1.2, "valid token: requests/s over plain nginx"),
    _cpu_over("valid", peers.PLAIN, 0.85, "valid token: CPU a request over plain nginx"),
    _rate_over("valid", peers.FLASK, 25, "valid token: requests/s over Flask + requests"),
    _rate_over("valid", peers.FASTAPI, 35, "valid token: requests/s over FastAPI + httpx"),
    _rate_over("valid", peers.FASTIFY, 1.8, "valid token: requests/s over fastify with Redis"),
    _rate_over("valid", peers.FASTIFY_CACHED, 1.1, "valid token: requests/s over fastify with cached tokens"),
    Promise(
        "a token never seen before: extra CPU over a repeated one",
        (("unseen", OURS), ("valid", OURS)),
        lambda runs: runs["unseen"][OURS].cpu - runs["valid"][OURS].cpu,
        most=80,
        unit="us",
    ),
    Promise(
        "a token never seen before: extra CPU over one of many cached ones",
        (("unseen", OURS), ("many", OURS)),
        lambda runs: runs["unseen"][OURS].cpu - runs["many"][OURS].cpu,
        most=35,
        unit="us",
    ),
    _rate_over("download", peers.PLAIN, 0.5, "1 MiB down: requests/s over plain nginx"),
    _rate_over("upload", peers.PLAIN, 0.5, "1 MiB up: requests/s over plain nginx"),
    Promise(
        "200 ms, 512 connections: requests/s over the ideal",
        (("slow-512", OURS),),
        lambda runs: runs["slow-512"][OURS].rate / (512 / SLOW),
        least=0.9,
    ),
    Promise(
        "200 ms, 2,000 connections: wrong responses",
        (("slow-2000", OURS),),
        lambda runs: runs["slow-2000"][OURS].wrong,
        most=0,
        unit="responses",
    ),
    Promise(
        "200 ms, 2,000 connections: extra memory over 64 connections",
        (("slow-2000", OURS), ("slow-64", OURS)),
        lambda runs: (runs["slow-2000"][OURS].memory - runs["slow-64"][OURS].memory) / MIB,
        most=60,
        unit="MiB",
    ),
    _rate_over(REFRESH, DJANGO, 3, "refresh: requests/s over Django", ours=OUR_AUTH_SERVICE),
    Promise(
        "log-in: p50 over one bare argon2id hash, by argon2-cffi",
        ((LOGIN, OUR_AUTH_SERVICE), (LOGIN, HASH)),
        lambda runs: runs[LOGIN][OUR_AUTH_SERVICE].p50 / runs[LOGIN][HASH].p50,
        most=1.1,
    ),
)


def promise_lines(tables: Iterable[Table], promises: Iterable[Promise] = PROMISES) -> list[str]:
    """Return a Markdown table of the promises that can be computed from `tables`."""
    runs = {table.name: {row.server: row.run for row in table.rows} for table in tables}
    lines = ["### Promises", "", "| | promised | measured | |", "|---|---|---|---|"]
    for promise in promises:
        if all(server in runs.get(work, {}) for work, server in promise.needs):
            figure = promise.figure(runs)
            kept = "kept" if promise.is_kept(figure) else "**not kept**"
            lines.append(f"| {promise.title} | {promise.bound} | {figure:,.2f} | {kept} |")
    return lines
