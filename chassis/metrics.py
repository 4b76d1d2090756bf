"""Collect the metrics of gunicorn's worker processes (prometheus_client's multiprocess mode).

Call `prepare_metrics` in gunicorn_conf.py and `render_metrics` in an internal endpoint. prometheus_client reads the
folder of the metrics when it is imported, so the master process must choose the folder before a worker imports it.
"""

import atexit
import os
import shutil
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def prepare_metrics() -> None:
    """Create an empty folder for the workers' metrics, which is removed when the master process exits."""
    folder = tempfile.mkdtemp(prefix="sallyport-metrics-")
    os.environ[_FOLDER_VARIABLE] = folder
    master = os.getpid()
    atexit.register(lambda: shutil.rmtree(folder, ignore_errors=True) if os.getpid() == master else None)


def remove_worker(pid: int) -> None:
    """Remove the gauges of a worker that has ended (those in a `live` mode). Its counters remain in the totals."""
    if _FOLDER_VARIABLE in os.environ:
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]  # not typed by the library


def render_metrics(registry: "CollectorRegistry") -> tuple[bytes, str]:
    """Return the metrics of all workers (outside gunicorn: of `registry`) as Prometheus text, and its media type."""
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, multiprocess

    if _FOLDER_VARIABLE in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # as above
    return generate_latest(registry), CONTENT_TYPE_LATEST
