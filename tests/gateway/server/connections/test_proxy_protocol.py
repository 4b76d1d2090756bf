"""The PROXY protocol, versions 1 and 2: a load balancer forwards the client's address."""

import struct
import time
from collections.abc import Iterator
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.server.connection_deadlines import ClientTimeouts
from gateway.server.http_protocol import ServerProtocol
from gateway.server.proxied_connection import ProxiedConnection, connection_class
from gateway.server.proxy_protocol import MAX_BYTES, MalformedProxyHeader, ProxyHeader, ProxyProtocol
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import RawClient
from tests.gateway.raw_upstream import RawUpstream
from tests.gateway.running_gateway import RunningGateway, running

CLIENT, BALANCER = "192.0.2.1", "127.0.0.2"
GET = b"GET /public/ HTTP/1.1\r\nHost: h\r\n\r\n"
V1 = b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
ANY = ProxyProtocol("any", "")


def v2(family: int, payload: bytes, command: int = 0x21, size: int | None = None) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(payload) if size is None else size) + payload


def addresses(client: str, server: str = "") -> bytes:
    here = ip_address(client)
    there = ip_address(server) if server else here
    return here.packed + there.packed + struct.pack("!HH", 56_324, 443)


def record(kind: int, value: bytes) -> bytes:
    return struct.pack("!BH", kind, len(value)) + value


V2 = v2(0x11, addresses(CLIENT))
OVER_TLS = record(0x20, b"\x01\0\0\0\0" + record(0x21, b"TLSv1.3"))

VALID: dict[str, tuple[bytes, str | None, bool]] = {
    "version 1": (V1, CLIENT, False),
    "version 1 over IPv6": (b"PROXY TCP6 2001:DB8::1 ::1 1 65535\r\n", "2001:db8::1", False),
    "version 1, unknown": (b"PROXY UNKNOWN\r\n", None, False),
    "version 1, unknown with more": (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None, False),
    "version 2": (V2, CLIENT, False),
    "version 2 over IPv6": (v2(0x21, addresses("2001:db8::1")), "2001:db8::1", False),
    "version 2 with records": (v2(0x11, addresses(CLIENT) + record(4, b"") + record(0xEA, b"vpce")), CLIENT, False),
    "version 2 over TLS": (v2(0x11, addresses(CLIENT) + record(2, b"h") + OVER_TLS), CLIENT, True),
    "version 2, not over TLS": (v2(0x11, addresses(CLIENT) + record(0x20, b"\0\0\0\0\0")), CLIENT, False),
    "version 2, a health check": (v2(0x00, b"", command=0x20), None, False),
    "version 2, a health check with more": (v2(0x11, addresses(CLIENT), command=0x20), None, False),
    "version 2, unknown": (v2(0x00, b"anything"), None, False),
    "version 2, a unix socket": (v2(0x31, bytes(216)), None, False),
}

MALFORMED = {
    "HTTP": GET,
    "TLS": b"\x16\x03\x01\x02\x00",
    "lower case": b"proxy TCP4 192.0.2.1 198.51.100.1 1 2\r\n",
    "a line feed": V1.replace(b"\r\n", b"\n") + b"\r\n",
    "two spaces": b"PROXY  TCP4 192.0.2.1 198.51.100.1 1 2\r\n",
    "another transport": b"PROXY UDP4 192.0.2.1 198.51.100.1 1 2\r\n",
    "another family": b"PROXY TCP4 ::1 ::1 1 2\r\n",
    "the other family": b"PROXY TCP6 192.0.2.1 198.51.100.1 1 2\r\n",
    "no address": b"PROXY TCP4 300.0.2.1 198.51.100.1 1 2\r\n",
    "a name": b"PROXY TCP4 localhost 198.51.100.1 1 2\r\n",
    "no ports": b"PROXY TCP4 192.0.2.1 198.51.100.1\r\n",
    "a port with zeros": b"PROXY TCP4 192.0.2.1 198.51.100.1 01 2\r\n",
    "a port too long": b"PROXY TCP4 192.0.2.1 198.51.100.1 123456 2\r\n",
    "more behind the ports": b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n",
    "a header field": b"PROXY TCP4 192.0.2.1\rX: y 198.51.100.1 1 2\r\n",
    "a line that is not ended": b"PROXY UNKNOWN " + b"x" * 200,
    "a line that is too long": b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n",
    "version 3": v2(0x11, addresses(CLIENT), command=0x31),
    "an unknown command": v2(0x11, addresses(CLIENT), command=0x22),
    "datagrams": v2(0x12, addresses(CLIENT)),
    "an unknown family": v2(0x41, addresses(CLIENT)),
    "half the addresses": v2(0x11, addresses(CLIENT)[:8]),
    "IPv4 for IPv6": v2(0x21, addresses(CLIENT)),
    "half a record": v2(0x11, addresses(CLIENT) + b"\x20\0"),
    "a record longer than the header": v2(0x11, addresses(CLIENT) + b"\x20\0\xff\x01"),
    "64 KB": v2(0x11, addresses(CLIENT), size=65_535),
    "a broken signature": SIGNATURE[:-1] + b"\r" + bytes(20),
}


@pytest.mark.parametrize(("header", "client", "is_tls"), VALID.values(), ids=VALID)
def test_a_header_is_parsed_without_the_bytes_after_it(header: bytes, client: str | None, is_tls: bool) -> None:
    assert ANY.read(header + GET) == ProxyHeader(len(header), client, is_tls)


@pytest.mark.parametrize(("header", "client", "is_tls"), VALID.values(), ids=VALID)
def test_an_incomplete_header_is_not_parsed_yet(header: bytes, client: str | None, is_tls: bool) -> None:
    assert [ANY.read(header[:length]) for length in range(len(header))] == [None] * len(header)


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_header_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedProxyHeader):
        ANY.read(data)


def test_only_the_configured_versions_are_accepted() -> None:
    assert ProxyProtocol("v1", "").read(V1) is not None
    assert ProxyProtocol("v2", "").read(V2) is not None
    with pytest.raises(MalformedProxyHeader):
        ProxyProtocol("v1", "").read(V2)
    with pytest.raises(MalformedProxyHeader):
        ProxyProtocol("v2", "").read(V1)


@given(st.binary(max_size=300) | st.binary(max_size=64).map(lambda end: SIGNATURE + b"\x21\x11" + end))
def test_all_input_is_parsed_or_refused(data: bytes) -> None:
    try:
        header = ANY.read(data)
    except MalformedProxyHeader:
        return
    if header is None:
        assert len(data) < MAX_BYTES
    else:
        assert header.length <= len(data)
        assert header.client is None or ip_address(header.client)


def test_the_internal_address_requires_no_header() -> None:
    protocol = ProxyProtocol("any", "127.0.0.1:9001")
    assert protocol.is_required_at(("127.0.0.1", 8000))
    assert not protocol.is_required_at(("127.0.0.1", 9001))
    assert not ProxyProtocol("any", "unix:/run/i.sock").is_required_at(("/run/i.sock", None))
    assert not ProxyProtocol("off", "").is_required_at(("127.0.0.1", 8000))


def test_proxied_connection_is_used_only_if_the_proxy_protocol_is_on() -> None:
    assert connection_class(ProxyProtocol("off", "")) is ServerProtocol
    assert connection_class(ProxyProtocol("v2", "")) is ProxiedConnection


# --- over sockets ------------------------------------------------------------------------------------------------


SHORT_TIMEOUTS = ClientTimeouts(head=0.4)


@pytest.fixture(scope="module")
def behind_a_balancer(make_app: MakeApp) -> Iterator[RunningGateway]:
    """A gateway that trusts 127.0.0.2, and 192.0.2.9 behind it; 127.0.0.1 is an untrusted client."""
    with running(make_app(TRUSTED_PROXIES=f"{BALANCER},192.0.2.9", PROXY_PROTOCOL="any"), SHORT_TIMEOUTS) as gateway:
        yield gateway


@pytest.mark.parametrize("header", [V1, V2], ids=["version 1", "version 2"])
def test_the_client_is_the_one_in_the_balancers_header(
    behind_a_balancer: RunningGateway, upstream: RawUpstream, header: bytes
) -> None:
    """This holds for every request of the connection, also if it has X-Forwarded-For."""
    with RawClient(behind_a_balancer.port, BALANCER) as balancer:
        balancer.send(header + GET)
        assert balancer.read_response().status == 200
        assert balancer.request("GET /public/ HTTP/1.1", "Host: h", "X-Forwarded-For: 6.6.6.6").status == 200
    assert [request.get("x-forwarded-for") for request in upstream.requests] == [CLIENT, CLIENT]
    assert [request.get("x-forwarded-proto") for request in upstream.requests] == ["http", "http"]


def test_the_header_may_arrive_byte_by_byte(behind_a_balancer: RunningGateway, upstream: RawUpstream) -> None:
    with RawClient(behind_a_balancer.port, BALANCER) as balancer:
        for byte in V2 + GET:
            balancer.send(bytes([byte]))
        assert balancer.read_response().status == 200
    assert upstream.last.get("x-forwarded-for") == CLIENT


def test_a_connection_over_tls_has_the_scheme_https(behind_a_balancer: RunningGateway, upstream: RawUpstream) -> None:
    with RawClient(behind_a_balancer.port, BALANCER) as balancer:
        balancer.send(v2(0x11, addresses(CLIENT) + OVER_TLS) + GET)
        assert balancer.read_response().status == 200
    assert upstream.last.get("x-forwarded-proto") == "https"


def test_the_client_of_a_health_check_is_the_balancer(
    behind_a_balancer: RunningGateway, upstream: RawUpstream
) -> None:
    with RawClient(behind_a_balancer.port, BALANCER) as balancer:
        balancer.send(v2(0, b"", command=0x20) + GET)
        assert balancer.read_response().status == 200
    assert upstream.last.get("x-forwarded-for") == BALANCER


def test_a_trusted_proxy_behind_the_balancer_names_its_clients(
    behind_a_balancer: RunningGateway, upstream: RawUpstream
) -> None:
    with RawClient(behind_a_balancer.port, BALANCER) as balancer:
        balancer.send(v2(0x11, addresses("192.0.2.9")))
        assert balancer.request("GET /public/ HTTP/1.1", "Host: h", "X-Forwarded-For: 192.0.2.7").status == 200
    assert upstream.last.get("x-forwarded-for") == "192.0.2.7"


def test_a_malformed_header_is_logged_with_the_balancers_address(
    make_app: MakeApp, auth_upstream: RawUpstream
) -> None:
    app = make_app(TRUSTED_PROXIES=BALANCER, PROXY_PROTOCOL="any")
    with (
        capture_logs() as lines,
        running(app, SHORT_TIMEOUTS) as gateway,
        RawClient(gateway.port, BALANCER) as balancer,
    ):
        balancer.send(GET)
        assert balancer.is_closed()
    (line,) = [line for line in lines if line["event"] == "malformed_request"]
    assert (line["client"], line["status"], line["code"]) == (BALANCER, 0, "bad_proxy_header")


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_a_balancer_without_a_valid_header_is_closed_without_a_response(
    behind_a_balancer: RunningGateway, upstream: RawUpstream, data: bytes
) -> None:
    with RawClient(behind_a_balancer.port, BALANCER) as balancer:
        balancer.send(data)
        assert balancer.is_closed()
    assert upstream.requests == []


def test_an_incomplete_header_is_closed_at_the_deadline(behind_a_balancer: RunningGateway) -> None:
    with RawClient(behind_a_balancer.port, BALANCER) as balancer:
        start = time.monotonic()
        balancer.send(V1[:10])
        assert balancer.is_closed()
        assert time.monotonic() - start < SHORT_TIMEOUTS.head + 5


@pytest.mark.parametrize("header", [V1, V2], ids=["version 1", "version 2"])
def test_a_header_of_an_untrusted_peer_is_malformed_http(
    behind_a_balancer: RunningGateway, gateway: RunningGateway, upstream: RawUpstream, header: bytes
) -> None:
    """This also holds if the PROXY protocol is off."""
    for server in (behind_a_balancer, gateway):
        with server.connect() as client:
            client.send(header + GET)
            assert client.read_response().status == 400
            assert client.is_closed()
    assert upstream.requests == []
    with behind_a_balancer.connect() as client:
        client.send(GET)
        assert client.read_response().status == 200
    assert upstream.last.get("x-forwarded-for") == "127.0.0.1"
