"""Workers that come and go leave neither files nor gaps, and a killed master process leaves no folder for long."""

import fcntl
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from chassis.metrics import multiprocess
from chassis.metrics.multiprocess import remove_worker, render_metrics

pytestmark = pytest.mark.system

WORKER = """
    import os
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

    registry = CollectorRegistry()
    Counter("requests", "Requests.", ["route"], registry=registry).labels("/api/").inc(2)
    Histogram("seconds", "Seconds.", buckets=(1.0,), registry=registry).observe(0.5)
    Gauge("open", "Open.", registry=registry, multiprocess_mode="livesum").set(3)
    Gauge("waiting", "Waiting.", registry=registry, multiprocess_mode="mostrecent").set(4)
    print(os.getpid())
"""
MASTER = """
    import os, signal, sys
    from chassis.metrics.multiprocess import prepare_metrics

    prepare_metrics()
    print(os.environ["PROMETHEUS_MULTIPROC_DIR"], flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    return tmp_path


def run_worker() -> int:
    """Run a worker to its end and return its process id."""
    argv = [sys.executable, "-c", textwrap.dedent(WORKER)]
    return int(subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30).stdout)


def samples() -> dict[str, float]:
    text = render_metrics(CollectorRegistry())[0].decode()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_counters_of_ended_workers_are_in_one_file_and_their_gauges_are_gone(folder: Path) -> None:
    for _ in range(2):
        remove_worker(run_worker())
    files = {path.name for path in folder.glob("*.db")}
    assert files == {"counter_ended.db", "histogram_ended.db"}
    run_worker()
    exported = samples()
    assert exported['requests_total{route="/api/"}'] == 6
    assert exported["seconds_count"] == exported['seconds_bucket{le="1.0"}'] == 3
    assert exported["seconds_sum"] == 1.5
    assert (exported["open"], exported["waiting"]) == (3, 4)


def test_a_worker_that_ends_during_a_scrape_is_neither_missed_nor_counted_twice(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multiprocess, "MERGE_PATIENCE_SECONDS", 0.05)
    pid = run_worker()
    with (folder / "merging").open("w") as scrape:
        fcntl.flock(scrape, fcntl.LOCK_SH)
        remove_worker(pid)
    assert (folder / f"counter_{pid}.db").exists()
    assert samples()['requests_total{route="/api/"}'] == 2
    assert "open" not in samples()


def test_a_worker_that_never_counted_leaves_nothing(folder: Path) -> None:
    remove_worker(os.getpid())
    assert list(folder.glob("*.db")) == []


def test_the_folder_of_a_killed_master_process_is_removed_by_the_next_one() -> None:
    killed, folder = start_master()
    assert folder.is_dir()
    killed.kill()
    killed.communicate(timeout=30)
    next_one, next_folder = start_master()
    try:
        assert not folder.exists()
        third, _ = start_master()
        third.communicate("", timeout=30)
        assert next_folder.is_dir(), "its process runs"
    finally:
        next_one.communicate("", timeout=30)
    assert not next_folder.exists()


def start_master() -> tuple["subprocess.Popen[str]", Path]:
    """Start a master process; return it and its folder of metrics."""
    argv = [sys.executable, "-c", textwrap.dedent(MASTER)]
    master = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert master.stdout is not None
    return master, Path(master.stdout.readline().strip())
