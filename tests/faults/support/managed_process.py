"""A process of the tested system: start, suspend, kill and restart it together with its children."""

import json
import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import IO, Any

from stack.plan import ROOT, Command
from tests.system.support.running_stack import descendants, is_running

WAIT = 20.0
"""Seconds after which a waiting test fails."""


@dataclass(slots=True)
class ManagedProcess:
    """A process that runs `command`. Its log lines are kept when it is restarted."""

    command: Command
    log_lines: list[str] = field(default_factory=list)
    _process: subprocess.Popen[bytes] | None = None
    _reader: threading.Thread | None = None

    @property
    def name(self) -> str:
        """Return the name that the stack gives it."""
        return self.command.name

    def start(self) -> None:
        """Start the process, without waiting until it serves."""
        assert self._process is None, f"{self.name} is already running"
        self._process = subprocess.Popen(
            self.command.argv,
            cwd=ROOT,
            env=dict(self.command.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def stop(self) -> None:
        """Send SIGTERM and wait up to 20 seconds; then kill the process and its children if they still run."""
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(WAIT)
        self.kill()

    def kill(self) -> None:
        """Send SIGKILL to the process and its children, and wait."""
        if self._process is None:
            return
        self._signal_all(signal.SIGKILL)
        self._process.wait(WAIT)
        assert self._reader is not None
        self._reader.join(WAIT)
        self._process = None

    def suspend(self) -> None:
        """Send SIGSTOP: its sockets stay open and nothing responds."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Send SIGCONT after `suspend`."""
        self._signal_all(signal.SIGCONT)

    def signal(self, number: int) -> None:
        """Send a signal to the process, not to its children: gunicorn's master handles it."""
        assert self._process is not None, f"{self.name} is not running"
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait until the process ends, and return its exit status."""
        assert self._process is not None
        return self._process.wait(WAIT)

    @property
    def workers(self) -> set[int]:
        """Return the process ids of its running descendants."""
        assert self._process is not None
        return {pid for pid in descendants(self._process.pid) if is_running(pid)}

    def variant(self, name: str, *arguments: str, **environ: str) -> "ManagedProcess":
        """Return a process of the same command with more arguments and environment variables; it is not started."""
        argv = (*self.command.argv, *arguments)
        environ = {**self.command.environ, **environ}
        return ManagedProcess(replace(self.command, name=name, argv=argv, environ=environ))

    def events(self, event: str) -> list[dict[str, Any]]:
        """Return the log lines of this event."""
        lines = (json.loads(line) for line in tuple(self.log_lines) if line.startswith("{"))
        return [line for line in lines if line.get("event") == event]

    def wait_for_event(self, event: str, times: int = 1) -> dict[str, Any]:
        """Wait until the event was logged `times` times, and return the latest line."""
        deadline = time.monotonic() + WAIT
        while len(found := self.events(event)) < times:
            assert time.monotonic() < deadline, f"{self.name} did not log {event!r}:\n{self.recent_output()}"
            time.sleep(0.02)
        return found[-1]

    def recent_output(self) -> str:
        """Return its last 30 log lines."""
        return "\n".join(self.log_lines[-30:])

    def _read(self, output: IO[bytes]) -> None:
        with output:
            for line in output:
                self.log_lines.append(line.decode("utf-8", "replace").rstrip("\n"))

    def _signal_all(self, number: int) -> None:
        assert self._process is not None, f"{self.name} is not running"
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
