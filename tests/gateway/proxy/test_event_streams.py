"""Server-sent events through the gateway: at once, for as long as the token holds, and no longer."""

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
    """Sends one event and then nothing, until the gateway hangs up."""

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
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams are looked at more often than twice a second: nobody here has time to wait."""
    monkeypatch.setattr("gateway.proxy.open_streams.CHECK_INTERVAL", 0.05)


@pytest.fixture
def gateway(make_app: MakeApp, clock: ShiftedClock) -> Iterator[RunningGateway]:
    with running(make_app(clock)) as served:
        yield served


@pytest.fixture
def ada(signing_key: SigningKey) -> str:
    """Authorization, with a session of the test's own."""
    now = time.time()
    return f"Authorization: Bearer {signing_key.sign(access_claims(now, sid=f's-{now}', jti=f'j-{now}'))}"


def subscribe(client: RawClient, *fields: str, path: str = "/api/events", version: str = "1.1") -> bytes:
    """What has come when the first event is here."""
    client.send("\r\n".join((f"GET {path} HTTP/{version}", "Host: h", *fields, "", "")).encode())
    received = b""
    while EVENT not in received:
        data = client.socket.recv(65_536)
        assert data, received
        received += data
    return received


def test_an_event_is_handed_on_at_once_with_what_keeps_others_from_holding_it_back(
    gateway: RunningGateway, upstream: RawUpstream, ada: str
) -> None:
    upstream.begin(streaming())
    with gateway.connect() as client:
        head = subscribe(client, ada).lower()
    assert b"\r\nx-accel-buffering: no\r\n" in head
    assert b"\r\ncache-control: no-store\r\n" in head
    assert upstream.last.closed.wait(WAIT)


@pytest.mark.parametrize("path", ["/api/events", "/streams/any"])
def test_a_stream_is_cut_when_its_token_expires(
    gateway: RunningGateway, upstream: RawUpstream, clock: ShiftedClock, ada: str, path: str
) -> None:
    """The end of the connection comes without the last chunk: an EventSource reconnects, and no reader can take what
    came for the whole."""
    upstream.begin(streaming(HEAD if path.startswith("/api") else b"HTTP/1.1 200 OK\r\n"))
    with gateway.connect() as client:
        subscribe(client, ada, path=path)
        clock.move(PAST_EXPIRY - 4)
        client.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.socket.recv(1)
        clock.move(4)
        client.socket.settimeout(WAIT)
        assert client.rest() == b""
    assert upstream.last.closed.wait(WAIT)


def test_a_stream_to_a_client_of_http_1_0_is_reset_and_not_ended(
    gateway: RunningGateway, upstream: RawUpstream, clock: ShiftedClock, ada: str
) -> None:
    """There the end of the connection would mean that the answer is whole."""
    upstream.begin(streaming())
    with gateway.connect() as client:
        subscribe(client, ada, version="1.0")
        clock.move(PAST_EXPIRY)
        with pytest.raises(ConnectionResetError):
            client.rest()


def test_a_stream_is_cut_within_a_second_of_its_revocation(
    gateway: RunningGateway, upstream: RawUpstream, redis_url: str, signing_key: SigningKey
) -> None:
    upstream.begin(streaming())
    now = time.time()
    token = signing_key.sign(access_claims(now, sid="cut-session", jti="cut"))
    with gateway.connect() as client:
        subscribe(client, f"Authorization: Bearer {token}")
        with Redis.from_url(redis_url) as redis:
            redis.xadd(STREAM, Revocation(SESSION, "cut-session", int(now), int(now) + 300).to_fields())
        begun = time.monotonic()
        assert client.rest() == b""
        assert time.monotonic() - begun < 1.5  # a second, and a busy machine
    assert upstream.last.closed.wait(WAIT)


def test_a_client_that_reads_nothing_is_cut_as_well(
    gateway: RunningGateway, upstream: RawUpstream, clock: ShiftedClock, ada: str
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
        client.send(f"GET /api/events HTTP/1.1\r\nHost: h\r\n{ada}\r\n\r\n".encode())
        assert not full.wait(1)
        clock.move(PAST_EXPIRY)
        assert upstream.settles_at(0)


def test_the_routes_total_bounds_an_answer_and_not_a_stream(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """/brief/ gives an exchange 0.4 s in all."""
    upstream.begin(streaming(b"HTTP/1.1 200 OK\r\n"))
    with gateway.connect() as client:
        subscribe(client, path="/brief/other")
        assert client.rest() == b""
    upstream.begin(streaming())
    with gateway.connect() as client:
        subscribe(client, path="/brief/events")
        client.socket.settimeout(0.7)
        with pytest.raises(TimeoutError):
            client.socket.recv(1)


def test_an_upstream_that_falls_silent_ends_its_stream(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """/impatient/ bears 0.3 s."""
    upstream.begin(streaming())
    with gateway.connect() as client:
        subscribe(client, path="/impatient/events")
        assert client.rest() == b""


def test_streams_beyond_the_limit_are_a_503_and_other_requests_go_on(
    make_app: MakeApp, upstream: RawUpstream
) -> None:
    upstream.begin(streaming())
    with (
        running(make_app(GATEWAY_STREAMS="1")) as gateway,
        gateway.connect() as first,
        gateway.connect() as second,
    ):
        subscribe(first, path="/public/events")
        refused = second.ask("GET /public/events HTTP/1.1", "Host: h")
        assert (refused.status, refused.problem["code"]) == (503, "streams_exhausted")
        assert refused.get("retry-after") is not None
        assert second.ask("GET /healthz HTTP/1.1", "Host: h").status == 200
        first.close()
        assert _becomes_free(gateway)


def test_a_worker_that_goes_lets_go_of_its_streams(make_app: MakeApp, upstream: RawUpstream) -> None:
    """They would keep it for ever; EventSource finds another worker."""
    upstream.begin(streaming())
    with running(make_app()) as gateway, gateway.connect() as client:
        subscribe(client, path="/public/events")
        gateway.server.should_exit = True
        assert client.rest() == b""


def test_a_stream_that_a_cookie_opened_ends_with_its_session(
    make_app: MakeApp, upstream: RawUpstream, signing_key: SigningKey, redis_url: str, clock: ShiftedClock
) -> None:
    auth, place = AuthStandIn(signing_key, clock), RawUpstream()
    place.begin(auth.answer)
    upstream.begin(streaming())
    with running(make_app(clock, AUTH_URL=place.url)) as gateway, gateway.connect() as client:
        subscribe(client, f"Cookie: {COOKIE}={handle_in(log_in(gateway))}")
        auth.handles.clear()
        clock.move(0.9 * auth.lifetime)  # it is to be renewed, and there is nothing to renew
        assert client.rest() == b""
    place.stop()


def _becomes_free(gateway: RunningGateway) -> bool:
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        with gateway.connect() as client:
            client.send(b"GET /public/events HTTP/1.1\r\nHost: h\r\n\r\n")
            if b" 200 " in client.interim():
                return True
    return False
