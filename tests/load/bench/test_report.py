"""The report of `make bench` shows every figure beside both kinds of nginx."""

from pathlib import Path

import pytest

from tests.load.bench.tables import tables_of
from tests.load.measuring.workloads import DIRECT, WORKLOADS
from tests.load.measuring.wrk import Run
from tests.load.peers import NGINX_KEEPALIVE, PLAIN, SALLYPORT

report = pytest.importorskip("tests.load.bench.report", reason="`make bench` installs matplotlib")

RUNS = {
    "mix": {SALLYPORT: [Run(15_000, 1, 3, 61, 2**20, 0)]},
    "identical": {SALLYPORT: [Run(30_000, 1, 3, 31, 2**20, 0)]},
    "both": {
        DIRECT: [Run(80_000, 1, 2, 9, 2**20, 0, client_cpu=10.5)],
        PLAIN: [Run(10_000, 1, 4, 60, 2**20, 0)],
        NGINX_KEEPALIVE: [Run(40_000, 1, 2, 20, 2**20, 0)],
        SALLYPORT: [Run(20_000, 1, 3, 45, 2**20, 0)],
    },
    "cookie": {SALLYPORT: [Run(10_000, 1, 3, 90, 2**20, 0)]},
    "slow-512": {SALLYPORT: [Run(2_304, 1, 3, 90, 2**20, 0)]},
}


@pytest.fixture
def text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The report of RUNS, also written into pages of `tmp_path`."""
    for name, page in (("PAGE", "page.md"), ("TABLES_PAGE", "tables.md"), ("README", "readme.md")):
        (tmp_path / page).write_text("before\n<!-- begin: bench -->\nold\n<!-- end: bench -->\n")
        monkeypatch.setattr(report, name, tmp_path / page)
    monkeypatch.setattr(report, "PICTURE", tmp_path / "pictures" / "bench.png")
    tables = tables_of([workload for workload in WORKLOADS if workload.name in RUNS], RUNS)
    result = report.Report(5, 2, 100, tuple(tables), {}, {}, ("### Promises",))
    report.write(result, tmp_path / "out", into_docs=True)
    return (tmp_path / "out" / "report.md").read_text()


def test_figures_are_relative_to_plain_nginx_and_to_nginx_with_keep_alive(text: str) -> None:
    row = "| Sallyport | 20,000 (2.00, 0.50) | 45 (0.75, 2.25) | 90% | 1 | 1.00 | 3.00 (0.75, 1.50) |"
    assert row in text.splitlines()


def test_the_row_without_a_server_shows_the_cost_of_the_client_and_of_the_upstream(text: str) -> None:
    assert f"| {DIRECT} | 80,000 (8.00, 2.00) | client 10.5, upstream 9.0 | client 84%, upstream 72% |" in text


def test_a_table_without_nginx_is_relative_to_the_similar_workload(text: str) -> None:
    assert "| Sallyport | 10,000 (1.00, 0.25) | 90 (1.50, 4.50) |" in text


def test_a_rate_with_a_maximum_is_relative_to_it(text: str) -> None:
    assert "| Sallyport | 2,304 (90%) | 90 | 21% | 1 | 1.00 | 3.00 |" in text


def test_the_pages_have_the_summary_the_promises_and_the_tables(text: str, tmp_path: Path) -> None:
    readme, page, tables = ((tmp_path / name).read_text() for name in ("readme.md", "page.md", "tables.md"))
    summary = "| **Sallyport** | 15,000 (61) | 20,000 (45) | 30,000 (31) |"
    assert summary in readme
    assert summary in page
    assert "### Promises" in page
    assert "### Every path and response head new" in tables
    assert "(pictures/bench.png)" in tables
    assert "old" not in readme + page + tables
    assert all(line in text for line in (*page.splitlines()[3:-1], *tables.splitlines()[3:-3]))
