"""The promises of `make bench` are computed from its figures."""

from tests.load.bench.promises import promise_lines
from tests.load.bench.tables import NGINX_BASES, Table, make_table
from tests.load.measuring.wrk import Run
from tests.load.peers import PLAIN, SALLYPORT


def table(name: str, **runs: Run) -> Table:
    return make_table(name, name, {server: [run] for server, run in runs.items()}, NGINX_BASES)


def run(rate: float, cpu: float) -> Run:
    return Run(rate, 1, 2, cpu, 2**20, 0)


def test_a_promise_is_kept_or_not_and_what_was_not_measured_is_left_out() -> None:
    lines = promise_lines([table("valid", **{PLAIN: run(1_000, 60), SALLYPORT: run(1_300, 54)})])
    assert [line.rsplit("|", 2)[1].strip() for line in lines[4:]] == ["kept", "**not kept**"]
    assert "| at least 1.2 x | 1.30 |" in lines[4]
    assert "| at most 0.85 x | 0.90 |" in lines[5]
