"""Trace the source files that a request crosses in the gateway.

`python -m tests.gateway.request_path` prints the path of a cached GET and of a WebSocket.
"""

import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import FrameType

from websockets.sync.client import connect

from chassis.settings import load
from gateway.app import create_app
from gateway.settings import GatewaySettings
from tests.gateway.access_tokens import IDENTITY_SECRET, PEER_SECRET, SigningKey, access_claims, jwks
from tests.gateway.raw_client import RawClient
from tests.gateway.raw_upstream import WAIT, RawUpstream, answering, ok
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.stand_ins.valkey import valkey_server
from tests.gateway.stand_ins.websocket_service import websocket_service

ROOT = Path(__file__).parents[2]
PACKAGES = ("gateway", "contract", "chassis")
ATTEMPTS = 3
"""How often a request is traced. Events of other connections can only add files, so the shortest path counts."""

ROUTES = """
[upstreams.auth]
urls = ["${AUTH_URL}"]

[upstreams.notes]
urls = ["${RESOURCE_URL}"]
identity_secret_env = "NOTES_SECRET"

[upstreams.chat]
urls = ["${CHAT_URL}"]
identity_secret_env = "NOTES_SECRET"

[[routes]]
prefix = "/auth/"
upstream = "auth"
access = "public"

[[routes]]
prefix = "/api/"
upstream = "notes"
access = "authenticated"

[[routes]]
prefix = "/ws/"
upstream = "chat"
access = "authenticated"
websocket = true
"""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a function; `file` is relative to the project's root."""

    file: str
    function: str


@dataclass(frozen=True, slots=True)
class RequestPath:
    """The calls that one request causes, in order. A coroutine that is resumed counts as another call."""

    calls: tuple[Call, ...]

    @property
    def files(self) -> list[str]:
        """Return the distinct files, in order of their first call."""
        return list(dict.fromkeys(call.file for call in self.calls))

    @property
    def changes(self) -> int:
        """Return how often a call is in another file than the call before it."""
        return max(0, len(list(groupby(self.calls, key=lambda call: call.file))) - 1)

    def __str__(self) -> str:
        lines: list[str] = []
        for file, calls in groupby(self.calls, key=lambda call: call.file):
            functions = ", ".join(dict.fromkeys(call.function for call in calls))
            lines.append(f"  {file}: {functions}")
        lines += ["", *(f"  {number:2} {file}" for number, file in enumerate(self.files, 1)), ""]
        return "\n".join([*lines, f"  {len(self.files)} files, {self.changes} changes of file"])


@dataclass(frozen=True, slots=True)
class Traced:
    """A running gateway whose requests can be traced; `token` is a valid access token."""

    gateway: RunningGateway
    token: str

    def cached_get(self) -> RequestPath:
        """Return the path of a GET whose token, request head and response head the gateway has cached."""
        with self.gateway.connect() as client:
            for _ in range(3):  # a head is cached when it comes for the second time
                self._get(client)
            return self._shortest(lambda: self._get(client))

    def websocket(self) -> RequestPath:
        """Return the path of a WebSocket: handshake, one message each way, close."""
        self._echo()
        return self._shortest(self._echo)

    def _get(self, client: RawClient) -> None:
        answer = client.request("GET /api/ HTTP/1.1", "Host: h", f"Authorization: Bearer {self.token}")
        assert answer.status == 200, answer

    def _echo(self) -> None:
        headers = {"Authorization": f"Bearer {self.token}"}
        with connect(
            f"ws://127.0.0.1:{self.gateway.port}/ws/", additional_headers=headers, proxy=None, legacy=True
        ) as client:
            client.send("message")
            assert client.recv(WAIT) == "message"
        assert self.gateway.wait_for_at_most(0)

    def _shortest(self, request: Callable[[], None]) -> RequestPath:
        return min((self._trace(request) for _ in range(ATTEMPTS)), key=lambda path: len(path.files))

    def _trace(self, request: Callable[[], None]) -> RequestPath:
        calls: list[Call] = []

        def record_call(frame: FrameType, event: str, _: object) -> None:
            if event == "call" and (file := _project_file(frame)) and not _is_background(frame):
                calls.append(Call(file, frame.f_code.co_qualname))

        self._set_profile(record_call)
        try:
            request()
        finally:
            self._set_profile(None)
        return RequestPath(tuple(calls))

    def _set_profile(self, profile: Callable[[FrameType, str, object], None] | None) -> None:
        """Set the profile function of the loop's thread, and return when it is set."""
        is_set = threading.Event()
        loop = self.gateway.server.servers[0].get_loop()
        loop.call_soon_threadsafe(sys.setprofile, profile)
        loop.call_soon_threadsafe(is_set.set)
        assert is_set.wait(WAIT)


@contextmanager
def traced_gateway() -> Iterator[Traced]:
    """Run a gateway with its upstreams and a Redis until the block ends."""
    key = SigningKey()
    auth, notes = RawUpstream(), RawUpstream()
    auth.begin(answering(ok(jwks(key))))
    with ExitStack() as stack:
        stack.callback(auth.stop)
        stack.callback(notes.stop)
        redis, chat = stack.enter_context(valkey_server()), stack.enter_context(websocket_service())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "routes.toml").write_text(ROUTES)
        environ = {
            "AUTH_URL": auth.url,
            "RESOURCE_URL": notes.url,
            "CHAT_URL": chat.url,
            "NOTES_SECRET": IDENTITY_SECRET,
            "PEER_SECRET": PEER_SECRET,
            "REDIS_URL": redis.url,
            "GATEWAY_ROUTES": str(folder / "routes.toml"),
            "DATA_DIR": str(folder),
        }
        app = create_app(load(GatewaySettings, environ), environ=environ)
        gateway = stack.enter_context(running(app))
        yield Traced(gateway, key.sign(access_claims(time.time())))


def _project_file(frame: FrameType) -> str:
    """Return the file of `frame` relative to the project's root; empty for code of libraries and of tests."""
    path = Path(frame.f_code.co_filename)
    if not path.is_relative_to(ROOT):
        return ""
    relative = path.relative_to(ROOT)
    return str(relative) if relative.parts[0] in PACKAGES else ""


def _is_background(frame: FrameType) -> bool:
    """Return whether `frame` was called by a background task or by the server's clock tick."""
    caller: FrameType | None = frame
    while caller is not None:
        if _project_file(caller).startswith("gateway/worker/"):
            return True
        caller = caller.f_back
    return False


def main() -> None:
    """Print both paths."""
    with traced_gateway() as traced:
        paths = {"A cached GET": traced.cached_get(), "A WebSocket": traced.websocket()}
    for title, path in paths.items():
        print(f"\n{title}\n\n{path}")  # noqa: T201 - it is a command for a terminal


if __name__ == "__main__":
    main()
