"""The fault switch: faults that are on for a time, in a file that gunicorn's master shares with its workers.

A fault that one worker switches on applies to the next request of every worker.
"""

import fcntl
import json
import mmap
import os
import tempfile
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

from chassis.clock import Clock
from gateway.development.faults import Fault

_MAX_FAULTS = 20


@dataclass(frozen=True, slots=True)
class SwitchedFault:
    """A fault for requests whose path begins with `path`, until `ends_at` (seconds since the epoch).

    `count` is the number of requests that still get it; None is any number.
    """

    fault: Fault
    path: str
    ends_at: float
    count: int | None = None

    def is_on(self, now: float) -> bool:
        """Return whether the fault still applies at `now`."""
        return now < self.ends_at

    def taken_once(self) -> "SwitchedFault":
        """Return the fault after one more request got it."""
        return self if self.count is None else replace(self, count=self.count - 1)


class FaultSwitch:
    """The faults that are on. Create it before the workers are forked."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._threads = threading.Lock()
        self._file, name = tempfile.mkstemp(prefix="sallyport-faults-")
        os.unlink(name)  # it ends with the last process that has it open
        weakref.finalize(self, os.close, self._file)
        # A byte of shared memory, so that a request costs neither a lock nor a system call while no fault is on.
        self._is_any_on = mmap.mmap(-1, 1)

    def turn_on(self, fault: Fault, path: str, seconds: float, count: int | None) -> None:
        """Switch `fault` on for `seconds`; it replaces an earlier one for the same path."""
        with self._exclusive_use():
            others = [other for other in self._read() if (other.fault, other.path) != (fault, path)]
            latest = SwitchedFault(fault, path, self._clock() + seconds, count)
            self._write([latest, *others][:_MAX_FAULTS])

    def turn_all_off(self) -> None:
        """Switch every fault off."""
        with self._exclusive_use():
            self._write([])

    def faults(self) -> list[SwitchedFault]:
        """Return the faults that are on, the latest first."""
        with self._exclusive_use():
            return self._read()

    def take(self, path: str) -> Fault | None:
        """Return the latest fault for a request to `path`, and count that request; None if there is none."""
        if not self._is_any_on[0]:
            return None
        with self._exclusive_use():
            faults = self._read()
            for place, switched in enumerate(faults):
                if path.startswith(switched.path):
                    faults[place] = switched.taken_once()
                    self._write(faults)
                    return switched.fault
            self._write(faults)
        return None

    def _read(self) -> list[SwitchedFault]:
        text = os.pread(self._file, os.fstat(self._file).st_size, 0)
        faults = [SwitchedFault(**members) for members in json.loads(text or b"[]")]
        now = self._clock()
        return [fault for fault in faults if fault.is_on(now)]

    def _write(self, faults: list[SwitchedFault]) -> None:
        kept = [fault for fault in faults if fault.count != 0]
        text = json.dumps([asdict(fault) for fault in kept]).encode()
        os.pwrite(self._file, text, 0)
        os.ftruncate(self._file, len(text))
        self._is_any_on[0] = bool(kept)

    @contextmanager
    def _exclusive_use(self) -> Iterator[None]:
        # A POSIX lock excludes other processes, and ends with a process that dies; it does not exclude threads.
        with self._threads:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)
