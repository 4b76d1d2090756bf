"""A client in a Node process of its own, which drive.mjs runs."""

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
HUNG = {"status": "hung"}
"""The outcome of a request that the client neither finished nor failed."""

PATIENCE = 60.0
"""Seconds after which a request counts as hung. Clients themselves wait one second at most, for Retry-After."""


@dataclass(slots=True)
class ForeignClient:
    """A running client. Its verbs are those of the adapter."""

    process: "subprocess.Popen[str]"
    patience: float
    _answers: "dict[int, Future[Any]]" = field(default_factory=dict)
    _ids: Iterator[int] = field(default_factory=count)

    def start(self, verb: str, **arguments: Any) -> "Future[Any]":
        """Send a command, and return a future of what it returns."""
        number = next(self._ids)
        self._answers[number] = future = Future[Any]()
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"id": number, "verb": verb, "args": arguments}) + "\n")
        self.process.stdin.flush()
        return future

    def call(self, verb: str, **arguments: Any) -> Any:
        """Send a command, and return what it returns; HUNG if there is no answer in time."""
        (result,) = self.wait([self.start(verb, **arguments)])
        return result

    def request(self, path: str = "/auth/users/me/", **arguments: Any) -> Any:
        """Send a request with the client's library, and return its outcome."""
        return self.call("request", path=path, **arguments)

    def requests(self, number: int, path: str = "/auth/users/me/") -> list[Any]:
        """Send requests in parallel, and return the status of each."""
        return [each["status"] for each in self.wait([self.start("request", path=path) for _ in range(number)])]

    def wait(self, started: "list[Future[Any]]") -> list[Any]:
        """Return what the commands returned; HUNG for those that have no answer in time."""
        deadline = time.monotonic() + self.patience
        return [_result(each, deadline - time.monotonic()) for each in started]

    @property
    def is_signed_in(self) -> bool:
        """Return whether the client holds a session, as it sees it."""
        return bool(self.call("state")["signedIn"])

    def read_answers(self) -> None:
        """Give each line of the process to the command that waits for it, until the process ends."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            answer = json.loads(line)
            future = self._answers.pop(answer["id"])
            if "error" in answer:
                future.set_exception(AssertionError(answer["error"]))
            else:
                future.set_result(answer["value"])


def _result(future: "Future[Any]", seconds: float) -> Any:
    try:
        return future.result(max(0.0, seconds))
    except NotInTime:
        return HUNG


@contextmanager
def foreign_client(name: str, gateway: str, storage: Path, patience: float = PATIENCE) -> Iterator[ForeignClient]:
    """Run the client `name`. Clients with the same `storage` are tabs of one browser."""
    storage.touch()
    log = storage.with_suffix(f".{name}.log")
    with log.open("a") as errors:
        process = subprocess.Popen(
            ["node", "drive.mjs", name, gateway, str(storage)],
            cwd=FOLDER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    client = ForeignClient(process, patience)
    reader = threading.Thread(target=client.read_answers)
    reader.start()
    try:
        yield client
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
        reader.join(30)
        assert process.stdout is not None
        process.stdout.close()
