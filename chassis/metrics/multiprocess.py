"""Collect the metrics of gunicorn's worker processes (prometheus_client's multiprocess mode).

Call `prepare_metrics` in gunicorn_conf.py and `render_metrics` in an internal endpoint. prometheus_client reads the
folder of the metrics when it is imported, so the master process must choose the folder before a worker imports it.

prometheus_client keeps the files of ended workers and reads all of them for each scrape
(github.com/prometheus/client_python issue 275). So the counters of an ended worker are added to one file.
"""

import atexit
import fcntl
import os
import shutil
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_PREFIX = "sallyport-metrics-"
_IN_USE = "in-use"
"""A file that the master process and its workers keep locked."""
_MERGING = "merging"
"""A file that is locked while counters move to another file: a scrape would miss them or count them twice."""
_ENDED = "ended"
"""Stands for the process id in the names of the files with the counters of ended workers."""
MERGE_PATIENCE_SECONDS = 1.0
"""The master process waits this long for scrapes to end. Otherwise the files stay as they are."""


def prepare_metrics() -> None:
    """Create an empty folder for the workers' metrics, which is removed when the master process exits.

    It is in memory if possible: the workers write to mapped files, and a full disk would end them by SIGBUS.
    Folders of master processes that were killed are removed.
    """
    parent = metrics_location()
    for left in parent.glob(f"{_PREFIX}*"):
        _remove_if_unused(left)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    _keep_in_use(folder)
    os.environ[_FOLDER_VARIABLE] = str(folder)
    master = os.getpid()
    atexit.register(lambda: shutil.rmtree(folder, ignore_errors=True) if os.getpid() == master else None)


def metrics_location() -> Path:
    """Return the folder in which each service creates its folder of metrics."""
    memory = Path("/dev/shm")  # noqa: S108 - mkdtemp creates the folder for this user alone
    return memory if memory.is_dir() and os.access(memory, os.W_OK) else Path(tempfile.gettempdir())


def remove_worker(pid: int) -> None:
    """Remove the gauges of a worker that has ended. Its counters remain in the totals."""
    if _FOLDER_VARIABLE not in os.environ:
        return
    folder = Path(os.environ[_FOLDER_VARIABLE])
    for gauges in folder.glob(f"gauge_live*_{pid}.db"):
        gauges.unlink(missing_ok=True)
    # Only what moves at once for every scrape is moved: a counter that falls looks like a restart to Prometheus.
    with _exclusive(folder) as is_locked:
        if not is_locked:
            return
        for gauges in folder.glob(f"gauge_*_{pid}.db"):
            gauges.unlink()
        for kind in ("counter", "histogram"):
            with suppress(OSError):  # no such file, or no room for the sums
                _add_to_ended(folder, kind, pid)


def render_metrics(registry: "CollectorRegistry") -> tuple[bytes, str]:
    """Return the metrics of all workers (outside gunicorn: of `registry`) as Prometheus text, and its media type."""
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, multiprocess

    if _FOLDER_VARIABLE not in os.environ:
        return generate_latest(registry), CONTENT_TYPE_LATEST
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # not typed by the library
    with _open_lock(Path(os.environ[_FOLDER_VARIABLE]) / _MERGING) as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        return generate_latest(registry), CONTENT_TYPE_LATEST


def _add_to_ended(folder: Path, kind: str, pid: int) -> None:
    """Add the values of a worker's file to those of ended workers, and remove the file. Raises OSError."""
    from prometheus_client.mmap_dict import MmapedDict

    ended, sums = folder / f"{kind}_{pid}.db", folder / f"{kind}_{_ENDED}.db"
    _allocate(sums, _used_bytes(sums) + _used_bytes(ended))
    totals = MmapedDict(str(sums))  # type: ignore[no-untyped-call]  # not typed by the library
    try:
        for key, value, _, _ in MmapedDict.read_all_values_from_file(str(ended)):  # type: ignore[no-untyped-call]
            before, _ = totals.read_value(key)  # type: ignore[no-untyped-call]
            totals.write_value(key, before + value, 0.0)  # type: ignore[no-untyped-call]
    finally:
        totals.close()  # type: ignore[no-untyped-call]
    ended.unlink()


def _used_bytes(path: Path) -> int:
    """Return how many bytes of a file of metrics are used: the integer at its beginning."""
    if path.name.endswith(f"_{_ENDED}.db") and not path.exists():
        return 0
    with path.open("rb") as file:
        head = file.read(4)
    return int(struct.unpack("i", head)[0]) if len(head) == 4 else 0


def _allocate(path: Path, size: int) -> None:
    """Give the file at least `size` bytes on the disk, so that a write to its mapping finds room. Raises OSError."""
    with path.open("ab") as file:
        if hasattr(os, "posix_fallocate"):  # macOS has none
            os.posix_fallocate(file.fileno(), 0, max(size, 1 << 16))


@contextmanager
def _exclusive(folder: Path) -> Iterator[bool]:
    """Keep scrapes out. Yield False if one of them does not end, as in a worker that was stopped."""
    with _open_lock(folder / _MERGING) as lock:
        deadline = time.monotonic() + MERGE_PATIENCE_SECONDS
        while not (is_locked := _try_lock(lock)) and time.monotonic() < deadline:
            time.sleep(0.01)
        yield is_locked


def _keep_in_use(folder: Path) -> None:
    """Lock a file of the folder until this process and all that it forks have ended."""
    unlocked = folder / f".{_IN_USE}"
    lock = os.open(unlocked, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_SH)
    unlocked.rename(folder / _IN_USE)  # locked from the moment that others see it


def _remove_if_unused(folder: Path) -> None:
    """Remove the folder of a master process that has ended. Folders of other users are left alone."""
    try:
        lock = os.open(folder / _IN_USE, os.O_RDWR)
    except OSError:
        return
    try:
        if _try_lock(lock):
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


@contextmanager
def _open_lock(path: Path) -> Iterator[int]:
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield lock
    finally:
        os.close(lock)


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
