"""The report of `make bench` shows every figure beside both kinds of nginx."""

from tests.load.bench.report import Report, as_markdown
from tests.load.bench.tables import tables_of
from tests.load.measuring.workloads import DIRECT, WORKLOADS
from tests.load.measuring.wrk import Run
from tests.load.peers import NGINX_KEEPALIVE, PLAIN, SALLYPORT

RUNS = {
    "both": {
        DIRECT: [Run(80_000, 1, 2, 9, 2**20, 0, client_cpu=10.5)],
        PLAIN: [Run(10_000, 1, 4, 60, 2**20, 0)],
        NGINX_KEEPALIVE: [Run(40_000, 1, 2, 20, 2**20, 0)],
        SALLYPORT: [Run(20_000, 1, 3, 45, 2**20, 0)],
    },
    "cookie": {SALLYPORT: [Run(10_000, 1, 3, 90, 2**20, 0)]},
    "slow-512": {SALLYPORT: [Run(2_304, 1, 3, 90, 2**20, 0)]},
}


def report() -> str:
    """Return the report of RUNS."""
    tables = tables_of([workload for workload in WORKLOADS if workload.name in RUNS], RUNS)
    return as_markdown(Report(5, 2, 100, tuple(tables), {}, {}, ()))


def test_figures_are_relative_to_plain_nginx_and_to_nginx_with_keep_alive() -> None:
    row = "| Sallyport | 20,000 (2.00, 0.50) | 45 (0.75, 2.25) | 90% | 1 | 1.00 | 3.00 (0.75, 1.50) |"
    assert row in report().splitlines()


def test_the_row_without_a_server_shows_the_cost_of_the_client_and_of_the_upstream() -> None:
    assert f"| {DIRECT} | 80,000 (8.00, 2.00) | client 10.5, upstream 9.0 | client 84%, upstream 72% |" in report()


def test_a_table_without_nginx_is_relative_to_the_similar_workload() -> None:
    assert "| Sallyport | 10,000 (1.00, 0.25) | 90 (1.50, 4.50) |" in report()


def test_a_rate_with_a_maximum_is_relative_to_it() -> None:
    assert "| Sallyport | 2,304 (90%) |" in report()
