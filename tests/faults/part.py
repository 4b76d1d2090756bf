"""One process of the system with its children: it can be started, frozen, killed and started again."""

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
from tests.system.running_stack import descendants, is_running

WAIT = 20.0
"""Seconds after which a test that waits has failed."""


@dataclass(slots=True)
class Part:
    """A process that runs once it is started. Its output is kept across restarts."""

    command: Command
    output: list[str] = field(default_factory=list)
    _process: subprocess.Popen[bytes] | None = None
    _listener: threading.Thread | None = None

    @property
    def name(self) -> str:
        """The name that the stack gives it."""
        return self.command.name

    def start(self) -> None:
        """Start it without waiting until it serves."""
        assert self._process is None, f"{self.name} runs already"
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
        self._listener = threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True)
        self._listener.start()

    def stop(self) -> None:
        """Stop it with SIGTERM and wait."""
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(WAIT)
        self.kill()

    def kill(self) -> None:
        """Kill it and its children (SIGKILL)."""
        if self._process is None:
            return
        self._to_all(signal.SIGKILL)
        self._process.wait(WAIT)
        assert self._listener is not None
        self._listener.join(WAIT)
        self._process = None

    def freeze(self) -> None:
        """Stop it from running; its sockets stay open (SIGSTOP)."""
        self._to_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it run again (SIGCONT)."""
        self._to_all(signal.SIGCONT)

    def signal(self, number: int) -> None:
        """Send a signal to the started process only: gunicorn's master."""
        assert self._process is not None, f"{self.name} does not run"
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for its end and return the exit status."""
        assert self._process is not None
        return self._process.wait(WAIT)

    @property
    def workers(self) -> set[int]:
        """Return its live child processes."""
        assert self._process is not None
        return {pid for pid in descendants(self._process.pid) if is_running(pid)}

    def beside(self, name: str, *words: str, **environ: str) -> "Part":
        """Return another process of the same kind with other settings."""
        command = self.command
        return Part(replace(command, name=name, argv=(*command.argv, *words), environ={**command.environ, **environ}))

    def events(self, event: str) -> list[dict[str, Any]]:
        """Return its log lines with this event."""
        lines = (json.loads(line) for line in tuple(self.output) if line.startswith("{"))
        return [line for line in lines if line.get("event") == event]

    def wait_to_say(self, event: str, times: int = 1) -> dict[str, Any]:
        """Wait until there are so many log lines with this event; return the latest."""
        deadline = time.monotonic() + WAIT
        while len(found := self.events(event)) < times:
            assert time.monotonic() < deadline, f"{self.name} does not say {event!r}:\n{self.last_words()}"
            time.sleep(0.02)
        return found[-1]

    def last_words(self) -> str:
        """Return the end of its output."""
        return "\n".join(self.output[-30:])

    def _listen(self, output: IO[bytes]) -> None:
        with output:
            for line in output:
                self.output.append(line.decode("utf-8", "replace").rstrip("\n"))

    def _to_all(self, number: int) -> None:
        assert self._process is not None, f"{self.name} does not run"
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
