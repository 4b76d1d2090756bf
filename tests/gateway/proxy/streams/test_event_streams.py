"""Server-sent events through the gateway are forwarded at once, and a stream ends with the client's token."""

import threading
import time
from collections.abc import Iterator

import pytest
from redis import Redis

from contract.revocation import SESSION, STREAM, Revocation
from tests.clocks import ShiftedClock
from tests.gateway.access_tokens import PAST_EXPIRY, SigningKey, access_claims
from tests.gateway.browser import COOKIE, handle_in, log_in
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import RawClient
from tests.gateway.raw_upstream import WAIT, Conversation, RawUpstream, Script
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.stand_ins.auth_service import AuthStandIn

EVENT = b"data: hello\n\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-store\r\n"


def streaming(head: bytes = HEAD) -> Script:
    """Return a script that sends `head` and one event, and then nothing until the gateway closes the connection."""

    async def script(conversation: Conversation) -> None:
        await conversation.write(
            head + b"X-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(EVENT), EVENT)
        )
        await conversation.wait_for_close()

    return script


@pytest.fixture
def clock() -> ShiftedClock:
    return ShiftedClock()


@pytest.fixture(autouse=True)
def short_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams are checked 20 times a second."""
    monkeypatch.setattr("gateway.proxy.open_streams.CHECK_INTERVAL", 0.05)


@pytest.fixture
def gateway(make_app: MakeApp, clock: ShiftedClock) -> Iterator[RunningGateway]:
    with running(make_app(clock)) as served:
        yield served


@pytest.fixture
def authorization(signing_key: SigningKey) -> str:
    """The Authorization field of a session that no other test has."""
    now = time.time()
    return f"Authorization: Bearer {signing_key.sign(access_claims(now, sid=f's-{now}', jti=f'j-{now}'))}"


def subscribe(client: RawClient, *fields: str, path: str = "/api/events", version: str = "1.1") -> bytes:
    """Request a stream, and return the bytes received up to the first event."""
    client.send("\r\n".join((f"GET {path} HTTP/{version}", "Host: h", *fields, "", "")).encode())
    received = b""
    while EVENT not in received:
        data = client.socket.recv(65_536)
        assert data, received
        received += data
    return received


def test_an_event_is_forwarded_at_once_with_the_fields_that_disable_buffering(
    gateway: RunningGateway, upstream: RawUpstream, authorization: str
) -> None:
    upstream.begin(streaming())
    with gateway.connect() as client:
        head = subscribe(client, authorization).lower()
    assert b"\r\nx-accel-buffering: no\r\n" in head
    assert b"\r\ncache-control: no-store\r\n" in head
    assert upstream.last.closed.wait(WAIT)


@pytest.mark.parametrize("path", ["/api/events", "/streams/any"])
def test_a_stream_is_ended_when_its_token_expires(
    gateway: RunningGateway, upstream: RawUpstream, clock: ShiftedClock, authorization: str, path: str
) -> None:
    """The connection is closed without the last chunk, so that no client takes the response for complete."""
    upstream.begin(streaming(HEAD if path.startswith("/api") else b"HTTP/1.1 200 OK\r\n"))
    with gateway.connect() as client:
        subscribe(client, authorization, path=path)
        clock.move(PAST_EXPIRY - 4)
        client.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.socket.recv(1)
        clock.move(4)
        client.socket.settimeout(WAIT)
        assert client.read_to_end() == b""
    assert upstream.last.closed.wait(WAIT)


def test_a_stream_to_an_http_1_0_client_is_reset(
    gateway: RunningGateway, upstream: RawUpstream, clock: ShiftedClock, authorization: str
) -> None:
    """In HTTP/1.0 an orderly close would mean that the response is complete."""
    upstream.begin(streaming())
    with gateway.connect() as client:
        subscribe(client, authorization, version="1.0")
        clock.move(PAST_EXPIRY)
        with pytest.raises(ConnectionResetError):
            client.read_to_end()


def test_a_stream_is_ended_within_a_second_of_its_revocation(
    gateway: RunningGateway, upstream: RawUpstream, redis_url: str, signing_key: SigningKey
) -> None:
    upstream.begin(streaming())
    now = time.time()
    token = signing_key.sign(access_claims(now, sid="ended-session", jti="ended"))
    with gateway.connect() as client:
        subscribe(client, f"Authorization: Bearer {token}")
        with Redis.from_url(redis_url) as redis:
            redis.xadd(STREAM, Revocation(SESSION, "ended-session", int(now), int(now) + 300).to_fields())
        begun = time.monotonic()
        assert client.read_to_end() == b""
        assert time.monotonic() - begun < 5  # a second, and a busy machine
    assert upstream.last.closed.wait(WAIT)


def test_a_stream_is_ended_even_if_its_client_reads_nothing(
    gateway: RunningGateway, upstream: RawUpstream, clock: ShiftedClock, authorization: str
) -> None:
    full = threading.Event()

    async def script(conversation: Conversation) -> None:
        await conversation.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        for number in range(1_000):
            if number == 300:  # more than all the buffers on the way hold
                full.set()
            await conversation.write(b"10000\r\n%b\r\n" % (b"x" * 65_536))

    upstream.begin(script)
    with gateway.connect() as client:
        client.send(f"GET /api/events HTTP/1.1\r\nHost: h\r\n{authorization}\r\n\r\n".encode())
        assert not full.wait(1)
        clock.move(PAST_EXPIRY)
        assert upstream.wait_for_open_connections(0)


def test_the_total_timeout_of_a_route_does_not_apply_to_streams(
    gateway: RunningGateway, upstream: RawUpstream
) -> None:
    """/short-total-timeout/ has a total timeout of 0.4 s."""
    upstream.begin(streaming(b"HTTP/1.1 200 OK\r\n"))
    with gateway.connect() as client:
        subscribe(client, path="/short-total-timeout/other")
        assert client.read_to_end() == b""
    upstream.begin(streaming())
    with gateway.connect() as client:
        subscribe(client, path="/short-total-timeout/events")
        client.socket.settimeout(0.7)
        with pytest.raises(TimeoutError):
            client.socket.recv(1)


def test_the_read_timeout_of_a_route_applies_to_streams(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """/short-read-timeout/ has a read timeout of 0.3 s."""
    upstream.begin(streaming())
    with gateway.connect() as client:
        subscribe(client, path="/short-read-timeout/events")
        assert client.read_to_end() == b""


def test_streams_beyond_the_limit_are_refused_and_other_requests_are_not(
    make_app: MakeApp, upstream: RawUpstream
) -> None:
    upstream.begin(streaming())
    with (
        running(make_app(GATEWAY_STREAMS="1")) as gateway,
        gateway.connect() as first,
        gateway.connect() as second,
    ):
        subscribe(first, path="/public/events")
        refused = second.request("GET /public/events HTTP/1.1", "Host: h")
        assert (refused.status, refused.problem["code"]) == (503, "streams_exhausted")
        assert refused.get("retry-after") is not None
        assert second.request("GET /healthz HTTP/1.1", "Host: h").status == 200
        first.close()
        assert _accepts_a_stream_again(gateway)


def test_a_worker_that_shuts_down_ends_its_streams(make_app: MakeApp, upstream: RawUpstream) -> None:
    """A stream would not end by itself. An EventSource reconnects, to another worker."""
    upstream.begin(streaming())
    with running(make_app()) as gateway, gateway.connect() as client:
        subscribe(client, path="/public/events")
        gateway.server.should_exit = True
        assert client.read_to_end() == b""


def test_a_stream_of_a_session_cookie_ends_with_the_session(
    make_app: MakeApp, upstream: RawUpstream, signing_key: SigningKey, redis_url: str, clock: ShiftedClock
) -> None:
    auth, auth_upstream = AuthStandIn(signing_key, clock), RawUpstream()
    auth_upstream.begin(auth.answer)
    upstream.begin(streaming())
    with running(make_app(clock, AUTH_URL=auth_upstream.url)) as gateway, gateway.connect() as client:
        subscribe(client, f"Cookie: {COOKIE}={handle_in(log_in(gateway))}")
        auth.handles.clear()
        clock.move(0.9 * auth.lifetime)  # the token is due for renewal, and the session has ended
        assert client.read_to_end() == b""
    auth_upstream.stop()


def _accepts_a_stream_again(gateway: RunningGateway) -> bool:
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        with gateway.connect() as client:
            client.send(b"GET /public/events HTTP/1.1\r\nHost: h\r\n\r\n")
            if b" 200 " in client.read_interim():
                return True
    return False
