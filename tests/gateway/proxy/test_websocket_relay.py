"""WebSockets through the gateway, between a real client and a real service. RFC 6455."""

import asyncio
import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from redis import Redis
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection

from contract.identity import verify
from contract.keys import assertion_verifier
from contract.revocation import SESSION, STREAM, Revocation
from gateway.http.websocket_handshake import Handshake
from tests.clocks import ShiftedClock
from tests.gateway.access_tokens import IDENTITY_SECRET, PAST_EXPIRY, SigningKey, access_claims
from tests.gateway.auth_stand_in import AuthStandIn
from tests.gateway.browser import COOKIE, handle_in, log_in
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_upstream import WAIT, Conversation, RawUpstream, answering, ok
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.websocket_service import WebSocketService, websocket_service

LARGE = bytes(range(256)) * 4096
"""1 MiB."""

CLOSE_TIMEOUT = 0.5
"""Seconds; shorter here than it is."""


@pytest.fixture(scope="module")
def clock() -> ShiftedClock:
    return ShiftedClock()


@pytest.fixture(scope="module", autouse=True)
def often() -> Iterator[None]:
    """Streams are looked at more often than twice a second: nobody here has time to wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gateway.proxy.open_streams.CHECK_INTERVAL", 0.05)
        patch.setattr("gateway.proxy.websocket_relay.CLOSE_TIMEOUT", CLOSE_TIMEOUT)
        yield


@pytest.fixture(scope="module")
def shared_service() -> Iterator[WebSocketService]:
    with websocket_service(max_size=None) as served:
        yield served


@pytest.fixture
def service(shared_service: WebSocketService) -> WebSocketService:
    """A service that echoes, with nothing recorded yet."""
    shared_service.begin()
    return shared_service


@pytest.fixture(scope="module")
def gateway(make_app: MakeApp, clock: ShiftedClock, shared_service: WebSocketService) -> Iterator[RunningGateway]:
    with running(make_app(clock, RESOURCE_URL=shared_service.url)) as served:
        yield served


@pytest.fixture
def ada(signing_key: SigningKey, clock: ShiftedClock) -> dict[str, str]:
    """Authorization, with a session of the test's own."""
    now = clock()
    return {"Authorization": f"Bearer {signing_key.sign(access_claims(now, sid=f's-{now}', jti=f'j-{now}'))}"}


def open_websocket(
    gateway: RunningGateway, headers: dict[str, str] | None = None, path: str = "/ws/x", **options: Any
) -> ClientConnection:
    """A client's end."""
    told: dict[str, Any] = {"additional_headers": headers, "proxy": None, "max_size": None, "close_timeout": 2}
    return connect(f"ws://127.0.0.1:{gateway.port}{path}", legacy=True, **(told | options))


def status_of(gateway: RunningGateway, headers: dict[str, str] | None = None, path: str = "/ws/x") -> int:
    """How a handshake is refused."""
    with pytest.raises(InvalidStatus) as refused:
        open_websocket(gateway, headers, path)
    return refused.value.response.status_code


def end_of(client: ClientConnection) -> tuple[int, str]:
    """Code and reason of the Close frame that comes next."""
    with pytest.raises(ConnectionClosed) as closed:
        client.recv(WAIT)
    assert closed.value.rcvd is not None, "the connection ended without a Close frame"
    return closed.value.rcvd.code, closed.value.rcvd.reason


# --- what passes -------------------------------------------------------------------------------------------------


def test_messages_pass_both_ways(gateway: RunningGateway, ada: dict[str, str]) -> None:
    with open_websocket(gateway, ada) as client:
        for message in ("text", "ü" * 200, b"", b"bytes", LARGE):
            client.send(message)
            assert client.recv(WAIT) == message


def test_fragments_and_pings_pass_as_they_are(
    gateway: RunningGateway, service: WebSocketService, ada: dict[str, str]
) -> None:
    heard: list[list[str | bytes]] = []

    def script(connection: ServerConnection) -> None:
        heard.append(list(connection.recv_streaming()))
        connection.ping().wait(WAIT)
        connection.send(["a", "b", "c"])

    service.begin(script)
    with open_websocket(gateway, ada) as client:
        client.send(["1", "2", "3"])
        assert client.ping().wait(WAIT)
        assert list(client.recv_streaming()) == ["a", "b", "c", ""]
    assert heard == [["1", "2", "3", ""]]


def test_the_service_is_told_who_it_is_and_sees_no_token(
    gateway: RunningGateway, service: WebSocketService, clock: ShiftedClock, ada: dict[str, str]
) -> None:
    with open_websocket(gateway, ada | {"X-Identity": "forged", "Cookie": "a=b"}, "/ws/x?room=1"):
        pass
    request = service.last().connection.request
    assert request is not None
    identity = verify(
        request.headers["x-identity"], verifier=assertion_verifier(IDENTITY_SECRET), audience="notes", now=clock()
    )
    assert (identity.subject, request.path) == ("ada-id", "/ws/x?room=1")
    assert {"authorization", "cookie"}.isdisjoint(request.headers)


def test_a_subprotocol_and_compression_are_agreed_on_across_the_gateway(make_app: MakeApp) -> None:
    with (
        websocket_service(subprotocols=["second"]) as service,
        running(make_app(RESOURCE_URL=service.url)) as gateway,
        open_websocket(gateway, path="/open-ws/", subprotocols=["first", "second"]) as client,
    ):
        assert client.subprotocol == "second"
        assert client.response is not None
        assert "permessage-deflate" in client.response.headers["Sec-WebSocket-Extensions"]
        client.send("squeezed " * 1000)
        assert client.recv(WAIT) == "squeezed " * 1000


def test_a_large_exchange_is_read_no_faster_than_it_is_taken(
    gateway: RunningGateway, service: WebSocketService, ada: dict[str, str]
) -> None:
    """32 MiB from a service to a client that does not read at first: the service has to wait, and all arrives."""
    sent = threading.Event()

    def script(connection: ServerConnection) -> None:
        for _ in range(32):
            connection.send(LARGE)
        sent.set()
        connection.recv(WAIT)

    service.begin(script)
    with open_websocket(gateway, ada, max_queue=1, compression=None) as client:
        assert not sent.wait(1)
        digests = {hashlib.sha256(client.recv(WAIT, decode=False)).digest() for _ in range(32)}
        assert digests == {hashlib.sha256(LARGE).digest()}
        assert sent.wait(WAIT)


# --- closing -----------------------------------------------------------------------------------------------------


def test_a_client_that_closes_is_heard_and_answered(
    gateway: RunningGateway, service: WebSocketService, ada: dict[str, str]
) -> None:
    client = open_websocket(gateway, ada)
    client.close(4000, "enough")
    assert service.last_end() == (4000, "enough")
    assert client.close_code == 4000


def test_a_service_that_closes_is_heard_and_answered(
    gateway: RunningGateway, service: WebSocketService, ada: dict[str, str]
) -> None:
    service.begin(lambda connection: connection.close(4001, "done"))
    with open_websocket(gateway, ada) as client:
        assert end_of(client) == (4001, "done")
    assert service.last_end() == (4001, "done")


def test_a_side_that_is_lost_takes_the_other_with_it_without_a_close_frame(
    gateway: RunningGateway, service: WebSocketService, ada: dict[str, str]
) -> None:
    """1006: nobody may take it for an orderly end."""
    service.begin(lambda connection: connection.close_socket())
    with open_websocket(gateway, ada) as client, pytest.raises(ConnectionClosedError) as closed:
        client.recv(WAIT)
    assert closed.value.rcvd is None


def test_a_client_that_hangs_up_ends_the_services_side(
    gateway: RunningGateway, service: WebSocketService, ada: dict[str, str]
) -> None:
    client = open_websocket(gateway, ada)
    client.close_socket()
    assert service.last_end()[0] == 1006


# --- what the gateway ends ---------------------------------------------------------------------------------------


def test_a_websocket_ends_with_its_token_and_both_sides_are_told_why(
    gateway: RunningGateway, service: WebSocketService, clock: ShiftedClock, ada: dict[str, str]
) -> None:
    with open_websocket(gateway, ada) as client:
        client.send("before")
        assert client.recv(WAIT) == "before"
        clock.move(PAST_EXPIRY)
        assert end_of(client) == (4401, "token_expired")
    assert service.last_end() == (4401, "token_expired")


def test_a_websocket_ends_within_a_second_of_its_revocation(
    gateway: RunningGateway, signing_key: SigningKey, redis_url: str, clock: ShiftedClock
) -> None:
    now = clock()
    token = signing_key.sign(access_claims(now, sid="ws-session", jti="ws"))
    with open_websocket(gateway, {"Authorization": f"Bearer {token}"}) as client:
        with Redis.from_url(redis_url) as redis:
            redis.xadd(STREAM, Revocation(SESSION, "ws-session", int(now), int(now) + 300).to_fields())
        begun = time.monotonic()
        assert end_of(client) == (4401, "token_revoked")
        assert time.monotonic() - begun < 1.5  # a second, and a busy machine


@pytest.fixture(scope="module")
def raw_gateway(make_app: MakeApp, clock: ShiftedClock, shared_upstream: RawUpstream) -> Iterator[RunningGateway]:
    """A gateway in front of a service that says exactly what its script says."""
    with running(make_app(clock)) as served:
        yield served


async def switch(conversation: Conversation) -> None:
    """A right answer to a handshake."""
    key = (conversation.request.get("sec-websocket-key") or "").encode()
    accept = Handshake(key, b"").accept.decode()
    head = (
        f"HTTP/1.1 101 Switch\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    )
    await conversation.write(head.encode())


def test_the_close_frame_waits_for_the_end_of_the_frame_that_is_under_way(
    raw_gateway: RunningGateway, upstream: RawUpstream, clock: ShiftedClock, ada: dict[str, str]
) -> None:
    """A frame comes in two halves, with the token's end between them: it arrives whole, then the Close."""
    halfway, go_on = threading.Event(), threading.Event()
    frame = b"\x82\x7f" + len(LARGE).to_bytes(8) + LARGE

    async def script(conversation: Conversation) -> None:
        await switch(conversation)
        await conversation.write(frame[: len(LARGE) // 2])
        halfway.set()
        await asyncio.to_thread(go_on.wait, WAIT)
        await conversation.write(frame[len(LARGE) // 2 :] + b"\x81\x05after")
        await conversation.wait_for_close()

    upstream.begin(script)
    with open_websocket(raw_gateway, ada) as client:
        assert halfway.wait(WAIT)
        clock.move(PAST_EXPIRY)
        threading.Timer(0.3, go_on.set).start()  # the gateway's own look comes in between
        assert client.recv(WAIT) == LARGE
        assert end_of(client) == (4401, "token_expired")
    assert upstream.last.closed.wait(WAIT)


def test_a_side_that_never_ends_its_frame_is_cut(
    raw_gateway: RunningGateway, upstream: RawUpstream, clock: ShiftedClock, ada: dict[str, str]
) -> None:
    """No Close frame can be put in, and nobody waits for ever."""

    async def script(conversation: Conversation) -> None:
        await switch(conversation)
        await conversation.write(b"\x82\x7f" + (100).to_bytes(8) + b"half")
        await conversation.wait_for_close()

    upstream.begin(script)
    with open_websocket(raw_gateway, ada) as client:
        clock.move(PAST_EXPIRY)
        begun = time.monotonic()
        with pytest.raises(ConnectionClosedError) as closed:
            client.recv(WAIT)
        assert closed.value.rcvd is None
        assert time.monotonic() - begun > CLOSE_TIMEOUT
    assert upstream.settles_at(0)


# --- forged handshakes ---------------------------------------------------------------------------------------------

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ASKING = ("Host: h", "Connection: keep-alive, Upgrade", "Upgrade: websocket")
WELL = (*ASKING, "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}")


def test_the_answer_is_the_standards_own(raw_gateway: RunningGateway, upstream: RawUpstream) -> None:
    """RFC 6455 1.3; and what the service says besides stays behind the gateway."""

    async def script(conversation: Conversation) -> None:
        await conversation.write(
            b"HTTP/1.1 101 Whatever\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSet-Cookie: a=1\r\n"
            b"X-Identity: me\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x02hi"
        )
        await conversation.wait_for_close()

    upstream.begin(script)
    with raw_gateway.connect() as client:
        client.send("\r\n".join(("GET /open-ws/ HTTP/1.1", *WELL, "", "")).encode() + b"early")
        head = client.interim().decode().lower()
        assert head.startswith("http/1.1 101 switching protocols\r\n")
        assert "\r\nsec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n" in head
        assert "\r\nx-request-id: " in head
        assert "set-cookie" not in head
        assert "x-identity" not in head
        early = client._received
        while len(early) < 4:
            early += client.socket.recv(4)
        assert early == b"\x81\x02hi"
    assert upstream.last.closed.wait(WAIT)
    assert upstream.last.get("sec-websocket-key") == KEY
    assert upstream.last.get("upgrade") == "websocket"


@pytest.mark.parametrize(
    "answer",
    [
        b"Upgrade: websocket\r\nConnection: Upgrade\r\n",
        b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n",
        b"Upgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
        b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
        + 2 * b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
    ],
    ids=["none", "wrong", "another protocol", "twice"],
)
def test_a_service_that_has_not_read_the_key_opens_nothing(
    raw_gateway: RunningGateway, upstream: RawUpstream, answer: bytes
) -> None:
    upstream.begin(answering(b"HTTP/1.1 101 X\r\n" + answer + b"\r\n"))
    with raw_gateway.connect() as client:
        refused = client.ask("GET /open-ws/ HTTP/1.1", *WELL)
    assert (refused.status, refused.problem["code"]) == (502, "upstream_failed")
    assert upstream.settles_at(0)


def test_a_service_that_refuses_has_its_own_answer_handed_back(
    raw_gateway: RunningGateway, upstream: RawUpstream
) -> None:
    upstream.begin(answering(ok(b"not you").replace(b"200 OK", b"418 No")))
    with raw_gateway.connect() as client:
        refused = client.ask("GET /open-ws/ HTTP/1.1", *WELL)
    assert (refused.status, refused.body) == (418, b"not you")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ((*ASKING, f"Sec-WebSocket-Key: {KEY}"), 426),
        ((*ASKING, "Sec-WebSocket-Version: 8", f"Sec-WebSocket-Key: {KEY}"), 426),
        ((*WELL, "Sec-WebSocket-Version: 13"), 426),
        ((*ASKING, "Sec-WebSocket-Version: 13"), 400),
        ((*ASKING, "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: c2hvcnQ="), 400),
        ((*ASKING, "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: ????????????????????????"), 400),
        ((*WELL, f"Sec-WebSocket-Key: {KEY}"), 400),
        ((*WELL, "Content-Length: 2"), 400),
    ],
)
def test_a_handshake_that_is_none_reaches_no_service(
    raw_gateway: RunningGateway, upstream: RawUpstream, fields: tuple[str, ...], status: int
) -> None:
    with raw_gateway.connect() as client:
        refused = client.ask("GET /open-ws/ HTTP/1.1", *fields)
    assert refused.status == status
    assert refused.problem["code"] == ("websocket_version" if status == 426 else "bad_header")
    if status == 426:
        assert (refused.get("upgrade"), refused.get("sec-websocket-version")) == ("websocket", "13")
    assert upstream.requests == []


def test_no_other_field_of_websockets_crosses(raw_gateway: RunningGateway, upstream: RawUpstream) -> None:
    with raw_gateway.connect() as client:
        client.ask("GET /open-ws/ HTTP/1.1", *WELL, "Sec-WebSocket-Accept: x", "Sec-WebSocket-Protocol: chat")
    names = [name for name, _ in upstream.last.fields if name.startswith("sec-websocket-")]
    assert sorted(names) == ["sec-websocket-key", "sec-websocket-protocol", "sec-websocket-version"]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/public/", WELL),
        ("/open-ws/", ("Host: h", "Upgrade: websocket", *WELL[3:])),
        ("/open-ws/", ("Host: h", "Connection: upgrade", "Upgrade: h2c", *WELL[3:])),
    ],
    ids=["a route without", "nothing to switch", "another protocol"],
)
def test_elsewhere_an_upgrade_is_ignored(
    raw_gateway: RunningGateway, upstream: RawUpstream, path: str, fields: tuple[str, ...]
) -> None:
    """RFC 9110 7.8."""
    with raw_gateway.connect() as client:
        assert client.ask(f"GET {path} HTTP/1.1", *fields).status == 200
    assert upstream.last.get("upgrade") is None
    assert upstream.last.get("sec-websocket-key") is None


# --- and else ------------------------------------------------------------------------------------------------------


def test_nobody_is_served_who_stays_silent(make_app: MakeApp, service: WebSocketService) -> None:
    with (
        running(make_app(RESOURCE_URL=service.url, WEBSOCKET_IDLE="1")) as gateway,
        open_websocket(gateway, path="/open-ws/", ping_interval=None) as client,
    ):
        assert end_of(client) == (1001, "idle")
    assert service.last_end() == (1001, "idle")


def test_a_worker_that_goes_says_so_and_goes(make_app: MakeApp, service: WebSocketService) -> None:
    with (
        running(make_app(RESOURCE_URL=service.url)) as gateway,
        open_websocket(gateway, path="/open-ws/") as client,
    ):
        gateway.server.should_exit = True
        assert end_of(client) == (1012, "draining")


def test_websockets_beyond_the_limit_are_refused(make_app: MakeApp, service: WebSocketService) -> None:
    with (
        running(make_app(RESOURCE_URL=service.url, GATEWAY_STREAMS="1")) as gateway,
        open_websocket(gateway, path="/open-ws/") as client,
    ):
        assert status_of(gateway, path="/open-ws/") == 503
        client.send("still there")
        assert client.recv(WAIT) == "still there"
    assert len(service.meetings) == 1


# --- who may ------------------------------------------------------------------------------------------------------


def test_a_stranger_and_an_expired_token_are_refused(
    gateway: RunningGateway, service: WebSocketService, signing_key: SigningKey, clock: ShiftedClock
) -> None:
    expired = signing_key.sign(access_claims(clock() - 600))
    assert status_of(gateway) == 401
    assert status_of(gateway, {"Authorization": f"Bearer {expired}"}) == 401
    assert service.meetings == []


@pytest.fixture
def session(
    make_app: MakeApp, signing_key: SigningKey, service: WebSocketService, clock: ShiftedClock
) -> Iterator[tuple[RunningGateway, AuthStandIn, str]]:
    """A gateway, its auth service, and the cookie of somebody who has logged in."""
    auth, place = AuthStandIn(signing_key, clock), RawUpstream()
    place.begin(auth.answer)
    told = {"AUTH_URL": place.url, "RESOURCE_URL": service.url, "ALLOWED_ORIGINS": "https://app.example"}
    with running(make_app(clock, **told)) as gateway:
        yield gateway, auth, f"{COOKIE}={handle_in(log_in(gateway))}"
    place.stop()


def test_a_cookie_opens_a_websocket_for_pages_of_ours_alone(
    session: tuple[RunningGateway, AuthStandIn, str], service: WebSocketService
) -> None:
    """Cross-site WebSocket hijacking: a browser sends the cookie along for any page."""
    gateway, _, cookie = session
    here = f"127.0.0.1:{gateway.port}"
    foreign = (
        "https://evil.example",
        "null",
        f"evil://{here}",
        f"https://{here}",
        "http://app.example",
        f"ws://{here}",
    )
    for origin in ({}, *({"Origin": origin} for origin in foreign)):
        assert status_of(gateway, {"Cookie": cookie, **origin}) == 403
    assert service.meetings == []
    for allowed in ("https://app.example", f"http://127.0.0.1:{gateway.port}"):
        with open_websocket(gateway, {"Cookie": cookie, "Origin": allowed}) as client:
            client.send("mine")
            assert client.recv(WAIT) == "mine"


def test_a_cookies_websocket_goes_on_past_the_token_and_ends_with_the_session(
    session: tuple[RunningGateway, AuthStandIn, str], clock: ShiftedClock
) -> None:
    gateway, auth, cookie = session
    with open_websocket(gateway, {"Cookie": cookie, "Origin": "https://app.example"}) as client:
        minted = auth.minted
        clock.move(0.9 * auth.lifetime)
        deadline = time.monotonic() + WAIT
        while auth.minted == minted and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.2)  # the stream takes up its new token with the next look, of which nobody is told
        clock.move(0.5 * auth.lifetime)
        client.send("still")
        assert client.recv(WAIT) == "still"
        auth.handles.clear()
        clock.move(0.45 * auth.lifetime)
        assert end_of(client) == (4401, "session_ended")


def test_who_waits_for_the_end_is_not_kept_in_the_tunnel(gateway: RunningGateway, ada: dict[str, str]) -> None:
    """Fifty WebSockets, opened and closed: none is left behind."""
    for _ in range(50):
        with closing(open_websocket(gateway, ada)) as client:
            client.send("x")
            assert client.recv(WAIT) == "x"
    deadline = time.monotonic() + WAIT
    while gateway.server.server_state.connections and time.monotonic() < deadline:
        time.sleep(0.01)  # the last one's end is on its way
    assert not gateway.server.server_state.connections


def test_an_orderly_close_is_orderly_for_both(
    gateway: RunningGateway, service: WebSocketService, ada: dict[str, str]
) -> None:
    with open_websocket(gateway, ada) as client:
        client.close()
        with pytest.raises(ConnectionClosedOK):
            client.recv(WAIT)
    assert service.last_end()[0] == 1000
