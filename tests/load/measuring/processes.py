"""Start the processes of a measurement, and end each of them by its process id."""

import os
import resource
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Self

from stack.plan import ROOT
from stack.processes.supervisor import with_parent_death_signal

WAIT = 30.0
"""Seconds that a process may take to listen, or to end."""
_MICROSECONDS_PER_TICK = 1_000_000 / os.sysconf("SC_CLK_TCK")


class NotServing(Exception):
    """A server does not serve. The message has its name and the end of its log."""


@dataclass(frozen=True, slots=True)
class Process:
    """A started server; its output goes to `log`."""

    name: str
    pid: int
    log: Path

    def cpu(self) -> float:
        """Return the CPU time of its workers so far, all threads together, in microseconds."""
        return cpu_of(self.workers())

    def memory(self) -> int:
        """Return the memory of its workers in bytes; shared pages count proportionally."""
        return memory_of(self.workers())

    def workers(self) -> tuple[int, ...]:
        """Return the process ids of its children, or its own if it has none."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return tuple(map(int, children)) or (self.pid,)

    def recent_output(self) -> str:
        """Return the end of its log."""
        return self.log.read_text("utf-8", "replace")[-2000:]


class Processes:
    """The processes of one measurement, ended with the `with` block, or by the kernel if the measurement dies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def start(self, name: str, argv: Sequence[str], root: Path = ROOT, /, **environ: str) -> Process:
        """Start a server in `root`, in a process group of its own, which Ctrl-C does not reach."""
        log = self._folder / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                with_parent_death_signal((shutil.which(argv[0]) or argv[0], *argv[1:])),
                cwd=root,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(root), **environ},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._cleanup.callback(_end, process)
        return Process(name, process.pid, log)


def cpu_of(pids: Iterable[int]) -> float:
    """Return the CPU time of these processes so far, in microseconds."""
    return sum(map(_cpu, pids))


def memory_of(pids: Iterable[int]) -> int:
    """Return the memory of these processes, in bytes."""
    return sum(map(_memory, pids))


def wait_for(process: Process, port: int) -> None:
    """Wait until the process listens on `port`. Raises NotServing."""
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline and _is_running(process.pid):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise NotServing(f"{process.name} does not listen:\n{process.recent_output()}")


def allow_many_files() -> None:
    """Raise the limit of open files to its maximum, for thousands of connections. Child processes inherit it."""
    _, maximum = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (maximum, maximum))


def end_as_by_ctrl_c() -> None:
    """Make SIGTERM and SIGHUP raise KeyboardInterrupt, so that started processes are ended first."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(WAIT / 3)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):  # the process has its own group, which includes its workers
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(WAIT)


def _is_running(pid: int) -> bool:
    """Return whether the process runs; a zombie does not."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _MICROSECONDS_PER_TICK


def _memory(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
