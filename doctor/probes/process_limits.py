"""Read the limits of processes: open files, and the memory of a container."""

import resource
from contextlib import suppress
from pathlib import Path

from doctor.finding import CannotCheck

_PROCESSES = Path("/proc")
"""macOS has none."""
_CGROUP_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")
_UNLIMITED_BYTES = 2**60
"""A higher limit of a control group means none."""


def open_file_limit(gateway_pid_file: Path | None) -> int:
    """Return the limit of open files of the gateway in `gateway_pid_file`, or else of a process like this; -1: none.

    The gateway raises its soft limit to the hard one, so that is the limit.
    """
    if gateway_pid_file is None or not _PROCESSES.is_dir():
        return resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        pid = int(gateway_pid_file.read_text(encoding="utf-8"))
        limits = (_PROCESSES / str(pid) / "limits").read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise CannotCheck("the limits of the gateway's process cannot be read") from error
    line = next(line for line in limits.splitlines() if line.startswith("Max open files"))
    soft = line.split()[3]
    return -1 if soft == "unlimited" else int(soft)


def memory_limit(groups: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Return the memory limit of the control group of this container, in bytes; None without one."""
    for name in _CGROUP_LIMITS:
        with suppress(OSError, ValueError):
            limit = int((groups / name).read_text(encoding="ascii"))  # `max` is no number
            return limit if limit < _UNLIMITED_BYTES else None
    return None
