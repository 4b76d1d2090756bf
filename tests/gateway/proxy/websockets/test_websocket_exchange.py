"""WebSocket handshakes through the gateway: which ones are accepted, and what each side receives. RFC 6455 4."""

import pytest

from sallyport_service.assertion import verify
from sallyport_service.keys import verification_key
from tests.clocks import ShiftedClock
from tests.gateway.access_tokens import IDENTITY_SECRET, SigningKey, access_claims
from tests.gateway.conftest import MakeApp
from tests.gateway.proxy.websockets.websocket_client import HANDSHAKE, KEY, UPGRADE, open_websocket, refusal_status
from tests.gateway.raw_upstream import WAIT, Conversation, RawUpstream, answering, ok
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.stand_ins.auth_service import AuthStandIn
from tests.gateway.stand_ins.websocket_service import WebSocketService, websocket_service


def test_the_service_gets_the_identity_and_no_token(
    websocket_gateway: RunningGateway,
    service: WebSocketService,
    shifted_clock: ShiftedClock,
    authorization: dict[str, str],
) -> None:
    with open_websocket(websocket_gateway, authorization | {"X-Identity": "forged", "Cookie": "a=b"}, "/ws/x?room=1"):
        pass
    request = service.last().connection.request
    assert request is not None
    identity = verify(
        request.headers["x-identity"],
        key=verification_key(IDENTITY_SECRET),
        audience="notes",
        now=shifted_clock(),
    )
    assert (identity.subject, request.path) == ("ada-id", "/ws/x?room=1")
    assert {"authorization", "cookie"}.isdisjoint(request.headers)


def test_client_and_service_negotiate_subprotocol_and_compression(make_app: MakeApp) -> None:
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


def test_the_101_has_the_accept_value_and_no_other_field_of_the_service(
    raw_gateway: RunningGateway, upstream: RawUpstream
) -> None:
    """The key and its accept value are the example of RFC 6455 1.3."""

    async def script(conversation: Conversation) -> None:
        await conversation.write(
            b"HTTP/1.1 101 Whatever\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSet-Cookie: a=1\r\n"
            b"X-Identity: me\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x02hi"
        )
        await conversation.wait_for_close()

    upstream.begin(script)
    with raw_gateway.connect() as client:
        client.send("\r\n".join(("GET /open-ws/ HTTP/1.1", *HANDSHAKE, "", "")).encode() + b"early")
        head = client.read_interim().decode().lower()
        assert head.startswith("http/1.1 101 switching protocols\r\n")
        assert "\r\nsec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n" in head
        assert "\r\nx-request-id: " in head
        assert "set-cookie" not in head
        assert "x-identity" not in head
        assert client.read(4) == b"\x81\x02hi"
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
def test_a_101_without_the_accept_value_of_the_key_is_a_502(
    raw_gateway: RunningGateway, upstream: RawUpstream, answer: bytes
) -> None:
    upstream.begin(answering(b"HTTP/1.1 101 X\r\n" + answer + b"\r\n"))
    with raw_gateway.connect() as client:
        refused = client.request("GET /open-ws/ HTTP/1.1", *HANDSHAKE)
    assert (refused.status, refused.problem["code"]) == (502, "upstream_failed")
    assert upstream.wait_for_open_connections(0)


def test_a_response_other_than_101_is_forwarded_to_the_client(
    raw_gateway: RunningGateway, upstream: RawUpstream
) -> None:
    upstream.begin(answering(ok(b"not you").replace(b"200 OK", b"418 No")))
    with raw_gateway.connect() as client:
        refused = client.request("GET /open-ws/ HTTP/1.1", *HANDSHAKE)
    assert (refused.status, refused.body) == (418, b"not you")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ((*UPGRADE, f"Sec-WebSocket-Key: {KEY}"), 426),
        ((*UPGRADE, "Sec-WebSocket-Version: 8", f"Sec-WebSocket-Key: {KEY}"), 426),
        ((*HANDSHAKE, "Sec-WebSocket-Version: 13"), 426),
        ((*UPGRADE, "Sec-WebSocket-Version: 13"), 400),
        ((*UPGRADE, "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: c2hvcnQ="), 400),
        ((*UPGRADE, "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: ????????????????????????"), 400),
        ((*HANDSHAKE, f"Sec-WebSocket-Key: {KEY}"), 400),
        ((*HANDSHAKE, "Content-Length: 2"), 400),
    ],
)
def test_an_invalid_handshake_is_refused(
    raw_gateway: RunningGateway, upstream: RawUpstream, fields: tuple[str, ...], status: int
) -> None:
    with raw_gateway.connect() as client:
        refused = client.request("GET /open-ws/ HTTP/1.1", *fields)
    assert refused.status == status
    assert refused.problem["code"] == ("websocket_version" if status == 426 else "bad_header")
    if status == 426:
        assert (refused.get("upgrade"), refused.get("sec-websocket-version")) == ("websocket", "13")
    assert upstream.requests == []


def test_the_sec_websocket_accept_of_a_client_is_not_forwarded(
    raw_gateway: RunningGateway, upstream: RawUpstream
) -> None:
    with raw_gateway.connect() as client:
        client.request(
            "GET /open-ws/ HTTP/1.1", *HANDSHAKE, "Sec-WebSocket-Accept: x", "Sec-WebSocket-Protocol: chat"
        )
    names = [name for name, _ in upstream.last.fields if name.startswith("sec-websocket-")]
    assert sorted(names) == ["sec-websocket-key", "sec-websocket-protocol", "sec-websocket-version"]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/public/", HANDSHAKE),
        ("/open-ws/", ("Host: h", "Upgrade: websocket", *HANDSHAKE[3:])),
        ("/open-ws/", ("Host: h", "Connection: upgrade", "Upgrade: h2c", *HANDSHAKE[3:])),
    ],
    ids=["route without websocket", "no connection option", "another protocol"],
)
def test_other_upgrades_are_ignored(
    raw_gateway: RunningGateway, upstream: RawUpstream, path: str, fields: tuple[str, ...]
) -> None:
    """RFC 9110 7.8."""
    with raw_gateway.connect() as client:
        assert client.request(f"GET {path} HTTP/1.1", *fields).status == 200
    assert upstream.last.get("upgrade") is None
    assert upstream.last.get("sec-websocket-key") is None


def test_websockets_beyond_the_limit_of_streams_are_refused(make_app: MakeApp, service: WebSocketService) -> None:
    with (
        running(make_app(RESOURCE_URL=service.url, GATEWAY_STREAMS="1")) as gateway,
        open_websocket(gateway, path="/open-ws/") as client,
    ):
        assert refusal_status(gateway, path="/open-ws/") == 503
        client.send("still there")
        assert client.recv(WAIT) == "still there"
    assert len(service.connections) == 1


def test_handshakes_without_a_valid_token_are_refused(
    websocket_gateway: RunningGateway, service: WebSocketService, signing_key: SigningKey, shifted_clock: ShiftedClock
) -> None:
    expired = signing_key.sign(access_claims(shifted_clock() - 600))
    assert refusal_status(websocket_gateway) == 401
    assert refusal_status(websocket_gateway, {"Authorization": f"Bearer {expired}"}) == 401
    assert service.connections == []


def test_a_cookie_opens_a_websocket_only_for_allowed_origins(
    session: tuple[RunningGateway, AuthStandIn, str], service: WebSocketService
) -> None:
    """Against cross-site WebSocket hijacking: a browser sends the cookie with a handshake of any page."""
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
        assert refusal_status(gateway, {"Cookie": cookie, **origin}) == 403
    assert service.connections == []
    for allowed in ("https://app.example", f"http://127.0.0.1:{gateway.port}"):
        with open_websocket(gateway, {"Cookie": cookie, "Origin": allowed}) as client:
            client.send("mine")
            assert client.recv(WAIT) == "mine"
