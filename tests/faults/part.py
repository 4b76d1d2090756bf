"""One process of the system, with all it starts: to be started, frozen, killed and started again."""

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
    """Not running until it is started. What it says is kept, over restarts too."""

    command: Command
    said: list[str] = field(default_factory=list)
    _process: subprocess.Popen[bytes] | None = None
    _listener: threading.Thread | None = None

    @property
    def name(self) -> str:
        """As the stack calls it."""
        return self.command.name

    def start(self) -> None:
        """Returns at once: whether it serves is for others to see."""
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
        """Asks it to go and waits."""
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(WAIT)
        self.kill()

    def kill(self) -> None:
        """Ends it and all it started, at once and without a word (SIGKILL)."""
        if self._process is None:
            return
        self._to_all(signal.SIGKILL)
        self._process.wait(WAIT)
        assert self._listener is not None
        self._listener.join(WAIT)
        self._process = None

    def freeze(self) -> None:
        """It keeps its sockets and does nothing more (SIGSTOP)."""
        self._to_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on (SIGCONT)."""
        self._to_all(signal.SIGCONT)

    def signal(self, number: int) -> None:
        """To the process that was started alone: gunicorn's master."""
        assert self._process is not None, f"{self.name} does not run"
        self._process.send_signal(number)

    def wait(self) -> int:
        """The exit status, once it has gone."""
        assert self._process is not None
        return self._process.wait(WAIT)

    @property
    def workers(self) -> set[int]:
        """The processes that it started and that live."""
        assert self._process is not None
        return {pid for pid in descendants(self._process.pid) if is_running(pid)}

    def beside(self, name: str, *words: str, **environ: str) -> "Part":
        """Another one of the same kind, told otherwise."""
        command = self.command
        return Part(replace(command, name=name, argv=(*command.argv, *words), environ={**command.environ, **environ}))

    def events(self, event: str) -> list[dict[str, Any]]:
        """The log lines that say this."""
        lines = (json.loads(line) for line in tuple(self.said) if line.startswith("{"))
        return [line for line in lines if line.get("event") == event]

    def wait_to_say(self, event: str, times: int = 1) -> dict[str, Any]:
        """The latest line that says this, once there are so many."""
        deadline = time.monotonic() + WAIT
        while len(found := self.events(event)) < times:
            assert time.monotonic() < deadline, f"{self.name} does not say {event!r}:\n{self.last_words()}"
            time.sleep(0.02)
        return found[-1]

    def last_words(self) -> str:
        """The end of what it said."""
        return "\n".join(self.said[-30:])

    def _listen(self, output: IO[bytes]) -> None:
        with output:
            for line in output:
                self.said.append(line.decode("utf-8", "replace").rstrip("\n"))

    def _to_all(self, number: int) -> None:
        assert self._process is not None, f"{self.name} does not run"
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
