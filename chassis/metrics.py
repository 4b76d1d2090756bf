"""Collect metrics from gunicorn's worker processes (prometheus_client's multiprocess mode).

The library reads its folder at import time, so the master process must set it before a worker imports the library:
call `prepare_metrics` in gunicorn_conf.py, and `render_metrics` in an internal endpoint.
"""

import atexit
import os
import shutil
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def prepare_metrics() -> None:
    """Create an empty folder for the workers' metrics; it is removed when the master process exits."""
    folder = tempfile.mkdtemp(prefix="sallyport-metrics-")
    os.environ[_FOLDER] = folder
    master = os.getpid()
    atexit.register(lambda: shutil.rmtree(folder, ignore_errors=True) if os.getpid() == master else None)


def remove_worker(pid: int) -> None:
    """Remove a dead worker's gauges; its counters remain in the totals."""
    if _FOLDER in os.environ:
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]  # not typed by the library


def render_metrics(registry: "CollectorRegistry") -> tuple[bytes, str]:
    """Return the metrics of all workers (outside gunicorn: of `registry`) as Prometheus text, and its media type."""
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, multiprocess

    if _FOLDER in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # as above
    return generate_latest(registry), CONTENT_TYPE_LATEST
