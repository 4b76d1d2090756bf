"""The promises of `make bench` are computed from its figures."""

from tests.load.bench.promises import promise_lines
from tests.load.bench.tables import NGINX_BASES, Table, make_table
from tests.load.measuring.wrk import Run
from tests.load.peers import NGINX_KEEPALIVE, PLAIN, SALLYPORT


def table(name: str, **runs: Run) -> Table:
    return make_table(name, name, {server: [run] for server, run in runs.items()}, NGINX_BASES)


def run(rate: float, cpu: float) -> Run:
    return Run(rate, 1, 2, cpu, 2**20, 0)


def test_a_promise_of_latency_compares_with_the_faster_nginx() -> None:
    runs = {PLAIN: Run(1, 1, 300, 1, 1, 0), NGINX_KEEPALIVE: Run(1, 1, 200, 1, 1, 0)}
    lines = promise_lines([table("slow-2000", **runs, **{SALLYPORT: Run(1, 1, 250, 1, 1, 0)})])
    assert "| 200 ms, 2,000 connections: p99 over the faster nginx | at most 1 x | 1.25 | **not kept** |" in lines


def test_a_promise_compares_two_workloads() -> None:
    tables = [table("cookie", **{SALLYPORT: run(900, 110)}), table("both", **{SALLYPORT: run(1_000, 100)})]
    lines = promise_lines(tables)
    assert [line for line in lines if "session cookie" in line and "| at most 1.15 x | 1.10 | kept |" in line]


def test_a_promise_is_kept_or_not_and_what_was_not_measured_is_left_out() -> None:
    lines = promise_lines([table("valid", **{PLAIN: run(1_000, 60), SALLYPORT: run(1_300, 54)})])
    assert [line.rsplit("|", 2)[1].strip() for line in lines[4:]] == ["kept", "**not kept**"]
    assert "| at least 1.2 x | 1.30 |" in lines[4]
    assert "| at most 0.85 x | 0.90 |" in lines[5]
