"""A gateway without sockets, on which a message is played with and without what the gateway remembers of others."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

from uvicorn.config import Config
from uvicorn.server import ServerState

from chassis.settings import load
from gateway.app import create_app
from gateway.http.request_limits import RequestLimits
from gateway.server.http_protocol import ServerProtocol
from gateway.server.request_cycle import Message as AsgiMessage
from gateway.server.request_head_cache import RequestHeadCache
from gateway.settings import GatewaySettings
from gateway.upstreams.registry import SWEEP_INTERVAL
from gateway.worker_application import Gateway
from tests.clocks import MovableClock
from tests.gateway.access_tokens import IDENTITY_SECRET, PEER_SECRET
from tests.gateway.cold_and_warm.cases import Message
from tests.gateway.cold_and_warm.credentials import ENDED_HANDLE, LIVE_HANDLES, NOW
from tests.gateway.cold_and_warm.memory_network import ConnectionEnd
from tests.gateway.cold_and_warm.request_fields import ETAGS
from tests.gateway.cold_and_warm.services import AUTH, NOTES, Response, Services
from tests.gateway.routes_toml import route_table, routes_toml, upstream_table

ROUTES = routes_toml(
    upstream_table("auth", "${AUTH_URL}", break_after=0, eject_after=0),
    upstream_table("notes", identity_secret_env="NOTES_SECRET", break_after=0, eject_after=0),
    upstream_table(
        "app",
        identity=False,
        identity_headers={"Remote-User": "email", "X-Thing": "sub", "X-Forwarded-Groups": "roles"},
        break_after=0,
        eject_after=0,
    ),
    route_table("/auth/", "public", upstream="auth"),
    route_table("/app/", upstream="app", login="redirect", forward_cookies=True, csrf="origin"),
    route_table("/app/open/", "public", upstream="app", forward_cookies=True),
    route_table("/pages/", ["staff"], login="redirect", streams=True),
    route_table("/api/", forward_headers=["X_Trace", "X-Email"]),
    route_table("/staff/", ["staff"]),
    route_table("/public/", "public"),
    route_table("/small-body/", "public", max_body=10),
    route_table("/stripped/deep/", strip_prefix=True),
    route_table(
        "/fixed/",
        request_headers={"X-Tenant": "acme", "Accept": "text/plain", "if-none-match": ETAGS[0].decode()},
        response_headers={"Cache-Control": "no-store"},
    ),
    route_table("/streams/", streams=True),
    route_table("/cookies/", "public", keep_cookies=True),
)

LIMITS = RequestLimits(header_bytes=2_048)
"""The header sections of some generated requests are too large, and smaller than the largest that is cached."""

_LEFT_TO_THE_PARSER = b"Keep-Alive:timeout=5\r\n"
"""A response line that clients never receive. The cache of header lines does not know its form, for two reasons: the
name is followed by no space, and the value is empty then."""

_RETRY_AFTER = re.compile(rb"retry-after: [0-9]+")
"""The gateway chooses the seconds at random, so that clients do not return all at once."""

_NEW_HANDLE = re.compile(rb"(set-cookie: __Host-session=)(?!([a-z])\2{42})[A-Za-z0-9_-]{43}; Expires=[^;]+")
"""The handle that the gateway chooses for a new session, and its expiry, which depends on the time of the test. The
handles of the generated requests repeat one letter."""

_OFFER = re.compile(rb"(X-Session-Offer: )[A-Za-z0-9_.-]+")

_OPENING = b"GET %sopening HTTP/1.1\r\nHost: opening.example\r\n\r\n"
_OPENING_RESPONSE = Response((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",))


class Effect(NamedTuple):
    """What a message has caused: every byte that the client and the services receive, and the connections' states."""

    to_client: bytes
    client_state: str
    to_services: tuple[tuple[str, bytes], ...]
    service_states: tuple[str, ...]
    """The state of the last used connection to each service: the states of others depend on earlier messages."""


class PlayedGateway:
    """Plays messages on connections to `gateway`."""

    def __init__(
        self, gateway: Gateway, services: Services, new_cache: Callable[[RequestLimits], RequestHeadCache]
    ) -> None:
        self._gateway = gateway
        self._loop = services.loop
        self._services = services
        self._state = ServerState()
        self._state.default_headers = [(b"date", b"now")]
        self._config = Config(gateway, log_config=None, timeout_keep_alive=75)
        self._request_id = re.compile(gateway.next_request_id()[:16].encode() + rb"[0-9a-f]{8}")
        self._new_cache = new_cache
        self.forget()

    def forget(self) -> None:
        """Forget all header sections."""
        self._gateway.request_head_cache = self.cache = self._new_cache(LIMITS)

    def connect(self) -> ConnectionEnd:
        """Return the gateway's end of a new client connection."""
        end = ConnectionEnd(self._loop, has_socket=True)
        protocol = ServerProtocol(self._config, self._state, {}, self._loop)
        end.set_protocol(cast(Any, protocol))
        protocol.connection_made(end)
        return end

    async def hang_up(self, client: ConnectionEnd) -> None:
        """Close `client` from its side."""
        client.abort()
        await self._settle()

    async def prepare_upstream(self, *, is_open: bool) -> None:
        """Leave the gateway one idle connection to each service, or none. So no play depends on earlier ones."""
        self._services.close_connections()
        await self._settle()
        for prefix in (b"/public/", b"/auth/") if is_open else ():
            client = self.connect()
            await self.play(client, Message((_OPENING % prefix,), (_OPENING_RESPONSE,)))
            await self.hang_up(client)

    async def play(self, client: ConnectionEnd, message: Message, *, by_parser: bool = False) -> Effect:
        """Send `message` on `client`, and return its effect. With `by_parser`, the parser reads every response."""
        begin = len(client.sent)
        for piece in message.pieces:
            client.deliver(piece)
            await self._settle()
        requests: list[tuple[str, bytes]] = []
        states: dict[str, ConnectionEnd] = {}
        while (forwarded := self._services.take_forwarded()) is not None:
            response = message.responses[min(len(requests), len(message.responses) - 1)]
            requests.append((forwarded.service, self._normalized(forwarded.raw)))
            states[forwarded.service] = forwarded.connection
            await self._respond(forwarded.connection, response, by_parser=by_parser)
        service_states = tuple(connection.state for connection in states.values())
        return Effect(self._normalized(client.sent[begin:]), client.state, tuple(requests), service_states)

    async def _respond(self, connection: ConnectionEnd, response: Response, *, by_parser: bool) -> None:
        first, *others = response.pieces
        for piece in (_for_the_parser(first) if by_parser else first, *others):
            connection.deliver(piece)
            await self._settle()
        if response.is_short:  # until a sweep, the gateway may wait for the rest of it
            self._loop.move(2 * SWEEP_INTERVAL)
            await asyncio.sleep(0)  # so that the sweep begins before `settle` looks for calls
            await self._settle()
        if response.closes:
            connection.deliver_eof()
            await self._settle()

    async def _settle(self) -> None:
        await self._loop.settle()
        while self._services.answer_own_calls():
            await self._loop.settle()

    def _normalized(self, raw: bytes) -> bytes:
        raw = _RETRY_AFTER.sub(b"retry-after: <seconds>", self._request_id.sub(b"<request id>", raw))
        return _NEW_HANDLE.sub(rb"\1<handle>", _OFFER.sub(rb"\1<offer>", raw))


def _for_the_parser(response: bytes) -> bytes:
    """Return `response` with a line that clients do not receive, and that makes the gateway parse the head."""
    line, end, rest = response.partition(b"\r\n")
    is_status_line = line.startswith(b"HTTP/") and b"\n" not in line and end
    return line + end + _LEFT_TO_THE_PARSER + rest if is_status_line else response


@asynccontextmanager
async def played_gateway(
    folder: Path, services: Services, new_cache: Callable[[RequestLimits], RequestHeadCache]
) -> AsyncIterator[PlayedGateway]:
    """Start a gateway whose routes file is in `folder`, and stop it after the block. All handles have been used."""
    (folder / "routes.toml").write_text(ROUTES)
    environ = {
        "AUTH_URL": f"http://{AUTH}:8000",
        "RESOURCE_URL": f"http://{NOTES}:8000",
        "NOTES_SECRET": IDENTITY_SECRET,
        "PEER_SECRET": PEER_SECRET,
        "REDIS_URL": "redis://192.0.2.30:6379/0",
        "GATEWAY_ROUTES": str(folder / "routes.toml"),
        "DATA_DIR": str(folder),
        "ACCESS_LOG": "false",
        "RATE_LIMITS": "false",
        "ALLOWED_ORIGINS": "https://app.example.com",
        "MAX_HEADER_BYTES": str(LIMITS.header_bytes),
    }
    settings, loop = load(GatewaySettings, environ), services.loop
    gateway = create_app(settings, environ=environ, clock=MovableClock(NOW), monotonic=loop.time)
    events: asyncio.Queue[AsgiMessage] = asyncio.Queue()
    started = asyncio.Event()

    async def send(message: Any) -> None:
        started.set()

    lifespan = asyncio.create_task(gateway({"type": "lifespan"}, events.get, send))
    events.put_nowait({"type": "lifespan.startup"})
    while not started.is_set():
        await loop.settle()
        services.answer_own_calls()
        loop.move(0.01)
    played = PlayedGateway(gateway, services, new_cache)
    for handle in (*LIVE_HANDLES, ENDED_HANDLE):
        raw = b"GET /api/ HTTP/1.1\r\nHost: h\r\nCookie: __Host-session=%b\r\n\r\n" % handle.encode()
        await played.play(played.connect(), Message((raw,), (_OPENING_RESPONSE,)))
    yield played
    events.put_nowait({"type": "lifespan.shutdown"})
    await lifespan
