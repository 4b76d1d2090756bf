"""A request that asks for an upgrade gets an HTTP response; its body is read and its connection stays open.

RFC 9110 7.8: a server may ignore Upgrade. For WebSocket on routes that allow it see proxy/test_websocket_relay.py.
"""

import pytest

from tests.gateway.raw_client import RawClient, RawResponse
from tests.gateway.raw_upstream import RawUpstream
from tests.gateway.running_gateway import RunningGateway

PROTOCOLS = {
    "no protocol": b"Connection: upgrade\r\n",  # nginx in front, with its usual proxy_set_header
    "h2c": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n",
    "TLS": b"Connection: upgrade\r\nUpgrade: TLS/1.2, HTTP/1.1\r\n",
    "websocket": b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    "Upgrade without Connection": b"Upgrade: h2c\r\n",
}
BODIES = {
    "no body": (b"", b"", b""),
    "an empty body": (b"Content-Length: 0\r\n", b"", b""),
    "a body": (b"Content-Length: 5\r\n", b"hello", b"hello"),
    "a chunked body": (
        b"Transfer-Encoding: chunked\r\n",
        b"3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nX-Trailer: a\r\n\r\n",
        b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
    ),
}
NEXT = b"POST /public/next HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nnext"


def request(method: bytes, version: bytes, protocol: bytes, framing: bytes, body: bytes) -> bytes:
    """Return a request that asks for an upgrade to `protocol`."""
    return method + b" /public/ HTTP/" + version + b"\r\nHost: h\r\n" + protocol + framing + b"\r\n" + body


def pieces(data: bytes, cut: int) -> list[bytes]:
    return [piece for piece in (data[:cut], data[cut:]) if piece]


def both_responses(client: RawClient, method: str, *parts: bytes) -> tuple[RawResponse, RawResponse]:
    """Return the responses to a request and the one after it."""
    for part in parts:
        client.send(part)
    return client.read_response(method), client.read_response("POST")


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_an_upgrade_is_ignored_and_the_body_and_the_next_request_are_read(
    gateway: RunningGateway, upstream: RawUpstream, method: bytes, body: tuple[bytes, bytes, bytes], protocol: bytes
) -> None:
    """Both requests are sent at once, and then again on the same connection."""
    framing, sent, forwarded = body
    raw = request(method, b"1.1", protocol, framing, sent)
    with gateway.connect() as client:
        for _ in range(2):
            responses = both_responses(client, method.decode(), raw + NEXT)
            assert [response.status for response in responses] == [200, 200]
    for first, second in zip(upstream.requests[::2], upstream.requests[1::2], strict=True):
        assert first.body.replace(b"5\r\nhello\r\n", b"3\r\nhel\r\n2\r\nlo\r\n") == forwarded
        assert second.body == b"next"
        assert not {"upgrade", "connection", "http2-settings"} & {name for name, _ in first.fields}


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_an_upgrade_in_http_1_0_is_ignored(gateway: RunningGateway, upstream: RawUpstream, protocol: bytes) -> None:
    """RFC 9110 7.8."""
    raw = request(
        b"POST", b"1.0", protocol.replace(b"Connection: ", b"Connection: keep-alive, "), *BODIES["a body"][:2]
    )
    with gateway.connect() as client:
        client.send(raw)
        response = client.read_response("POST")
        assert response.status == 200
        if b"Connection" in protocol:
            assert response.get("connection") == "keep-alive"
            client.send(NEXT)
            assert client.read_response("POST").status == 200
    assert upstream.requests[0].body == b"hello"


@pytest.mark.parametrize("name", ["h2c", "websocket"])
@pytest.mark.parametrize("body", BODIES)
def test_an_upgrade_in_two_packets_is_ignored(
    gateway: RunningGateway, upstream: RawUpstream, name: str, body: str
) -> None:
    framing, sent, _ = BODIES[body]
    raw = request(b"GET", b"1.1", PROTOCOLS[name], framing, sent) + NEXT
    with gateway.connect() as client:
        for cut in range(1, len(raw), 7):
            responses = both_responses(client, "GET", *pieces(raw, cut))
            assert [response.status for response in responses] == [200, 200]


def test_many_upgrades_in_one_packet_are_ignored(gateway: RunningGateway, upstream: RawUpstream) -> None:
    raw = request(b"GET", b"1.1", PROTOCOLS["h2c"], b"", b"")
    with gateway.connect() as client:
        client.send(raw * 200)
        assert [client.read_response().status for _ in range(200)] == [200] * 200


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 5\r\nContent-Length: 5\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip\r\n",
        b"Transfer-Encoding: chunked, gzip\r\n",
        b"Content-Length: +5\r\n",
    ],
)
def test_malformed_framing_is_refused_with_an_upgrade_too(
    gateway: RunningGateway, upstream: RawUpstream, framing: bytes
) -> None:
    with gateway.connect() as client:
        client.send(request(b"POST", b"1.1", PROTOCOLS["h2c"], framing, b"5\r\nhello\r\n0\r\n\r\n") + NEXT)
        response = client.read_response("POST")
        assert response.status == 400
        assert client.is_closed()
    assert upstream.requests == []


def test_connect_is_refused_and_its_connection_closed(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """The bytes after it may be another protocol."""
    with gateway.connect() as client:
        client.send(b"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n" + NEXT)
        assert client.read_response().status == 405
        assert client.is_closed()
    assert upstream.requests == []
