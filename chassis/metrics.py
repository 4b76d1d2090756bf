"""Owns how a service's metrics are gathered from its worker processes (Prometheus's multiprocess mode).

The library decides at import time where numbers are kept, so gunicorn's master names the folder before any worker
imports it: `prepare_metrics` belongs into a gunicorn_conf.py, `render_metrics` behind an internal endpoint.
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
    """Makes an empty folder for this gunicorn's workers, and has it removed when the master ends."""
    folder = tempfile.mkdtemp(prefix="sallyport-metrics-")
    os.environ[_FOLDER] = folder
    master = os.getpid()
    atexit.register(lambda: shutil.rmtree(folder, ignore_errors=True) if os.getpid() == master else None)


def forget_worker(pid: int) -> None:
    """Takes a dead worker's gauges out of what is shown; what it counted stays counted."""
    if _FOLDER in os.environ:
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]  # the library types it by halves


def render_metrics(registry: "CollectorRegistry") -> tuple[bytes, str]:
    """All workers' metrics in Prometheus's text format, with its content type; else those of `registry`."""
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, multiprocess

    if _FOLDER in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # as above
    return generate_latest(registry), CONTENT_TYPE_LATEST
