"""The client is the peer, or the client that a trusted proxy names. No other peer can name a client."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.settings import load
from gateway.http.forwarded import forwarded_value, parse_forwarded
from gateway.server.client_address import MAX_HOPS, UNKNOWN, TrustedProxies, canonical_address, parse_node
from gateway.settings import GatewaySettings
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_upstream import RawUpstream
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.test_settings import REQUIRED

PEER, CLIENT = "10.0.0.9", "192.0.2.1"


def trusted(text: str = "10.0.0.0/8, fd00::/8") -> TrustedProxies:
    return TrustedProxies(load(GatewaySettings, REQUIRED | {"TRUSTED_PROXIES": text}).trusted_proxies)


def client_of(*fields: tuple[str, str]) -> str:
    return trusted().resolve(as_headers(fields), PEER, "http").address


def scheme_of(*fields: tuple[str, str]) -> str:
    return trusted().resolve(as_headers(fields), PEER, "http").scheme


def as_headers(fields: tuple[tuple[str, str], ...]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1")) for name, value in fields]


def test_by_default_no_peer_is_trusted() -> None:
    proxies = TrustedProxies(load(GatewaySettings, REQUIRED).trusted_proxies)
    assert not any(proxies.trusts(peer) for peer in ("127.0.0.1", "::1", PEER, UNKNOWN))


@pytest.mark.parametrize(
    ("setting", "peer", "is_trusted"),
    [
        ("10.0.0.0/8", "10.255.0.1", True),
        ("10.0.0.0/8", "11.0.0.1", False),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("fd00::/8", "fd00::1", True),
        ("fd00::/8", "10.0.0.1", False),
        ("unix", UNKNOWN, True),
        ("unix", "127.0.0.1", False),
        ("10.0.0.0/8", UNKNOWN, False),
        ("10.0.0.1, unix , fd00::1", "fd00::1", True),
    ],
)
def test_addresses_networks_and_unix_sockets_may_be_trusted(setting: str, peer: str, is_trusted: bool) -> None:
    assert trusted(setting).trusts(peer) is is_trusted


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.1", CLIENT),
        ("::ffff:192.0.2.1", CLIENT),
        ("fe80::1%eth0", "fe80::1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("no address", UNKNOWN),
    ],
)
def test_a_peer_has_one_canonical_address(host: str, address: str) -> None:
    assert canonical_address(host) == address


X_FORWARDED_FOR = {
    "one hop": ("192.0.2.1", CLIENT),
    "two hops": ("192.0.2.1, 10.0.0.2", CLIENT),
    "a forged address on the left": ("6.6.6.6, 192.0.2.1, 10.0.0.2", CLIENT),
    "only trusted hops": ("10.1.1.1, 10.0.0.2", "10.1.1.1"),
    "a port": ("192.0.2.1:4711", CLIENT),
    "an IPv6 address": ("2001:DB8::1", "2001:db8::1"),
    "in brackets, with a port": ("[2001:db8::1]:4711", "2001:db8::1"),
    "IPv4-mapped IPv6": ("::ffff:192.0.2.1", CLIENT),
    "spaces": ("  192.0.2.1  ,10.0.0.2", CLIENT),
    "an empty value": ("", PEER),
    "an empty element": ("192.0.2.1,,10.0.0.2", CLIENT),
    "empty elements at the ends": (" , 192.0.2.1 ,\t, ", CLIENT),
    "only empty elements": (" ,, \t", PEER),
    "tabs": ("\t192.0.2.1\t,\t10.0.0.2\t", CLIENT),
    "white space that HTTP does not allow": ("192.0.2.1\xa0", PEER),
    "an obscured port": ("192.0.2.1:_p", CLIENT),
    "no address": ("unknown", PEER),
    "no address in the middle": ("192.0.2.1, _hidden, 10.0.0.2", "10.0.0.2"),
    "a host name": ("client.example", PEER),
    "out of range": ("300.1.1.1", PEER),
    "leading zeros": ("192.000.002.001", PEER),
    "a zone": ("fe80::1%eth0", PEER),
    "a quote": ('"192.0.2.1"', PEER),
    "digits beyond ASCII": ("\xb9\xb2.0.0.1", PEER),
    "a line of JSON": ('192.0.2.1", "admin": "', PEER),
    "too many hops": (", ".join(["6.6.6.6"] + ["10.0.0.2"] * MAX_HOPS), "10.0.0.2"),
    "8 KB": ("1" * 8_000, PEER),
}


@pytest.mark.parametrize(("value", "client"), X_FORWARDED_FOR.values(), ids=X_FORWARDED_FOR)
def test_the_client_is_the_rightmost_address_that_is_not_trusted(value: str, client: str) -> None:
    """A malformed element ends the chain: the client is then the hop that sent it."""
    assert client_of(("x-forwarded-for", value)) == client


def test_several_fields_are_one_list() -> None:
    """Fields of the same name form one list (RFC 9110 5.3)."""
    assert client_of(("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "192.0.2.1, 10.0.0.2")) == CLIENT
    assert (
        client_of(("x-forwarded-for", "192.0.2.1"), ("x-forwarded-for", ""), ("x-forwarded-for", "10.0.0.2"))
        == CLIENT
    )
    assert scheme_of(("x-forwarded-proto", "http"), ("x-forwarded-proto", "https")) == "https"
    parts = [("forwarded", part) for part in ("for=6.6.6.6", 'for="192.0.2.1";proto=https', ", for=10.0.0.2")]
    assert (client_of(*parts), scheme_of(*parts)) == (CLIENT, "https")


@pytest.mark.parametrize(
    ("value", "scheme"),
    [
        *(("https", "https"), ("HTTPS", "https"), ("http", "http"), ("https, http", "http"), ("http,https", "https")),
        *(("wss", "https"), ("WSS", "https"), ("ws", "http"), ("http, wss", "https"), ("https, ws", "http")),
        *(("https,", "https"), (", https ,, ", "https"), ("http,\thttps\t", "https"), (" , ", "http")),
        *((other, "http") for other in ("https\xa0", "\x0bhttps", "https\x85", "wss:", "w ss")),
        *((other, "http") for other in ("", "ftp", "https;", "https\0", "https https")),
    ],
)
def test_the_scheme_is_the_nearest_proxys(value: str, scheme: str) -> None:
    """The client could have sent the elements on the left."""
    assert scheme_of(("x-forwarded-proto", value)) == scheme


FORWARDED = {
    "one hop": ("for=192.0.2.1;proto=https", CLIENT, "https"),
    "upper and lower case": ("For=192.0.2.1;PROTO=HTTPS;by=_x;host=h", CLIENT, "https"),
    "two hops": ("for=192.0.2.1;proto=https, for=10.0.0.2;proto=http", CLIENT, "https"),
    "a forged address on the left": ("for=6.6.6.6;proto=https, for=192.0.2.1;proto=http", CLIENT, "http"),
    "an IPv6 address": ('for="[2001:db8::1]:4711"', "2001:db8::1", "http"),
    "a WebSocket": ("for=192.0.2.1;proto=wss", CLIENT, "https"),
    "a quoted scheme": ('for="192.0.2.1";proto="https"', CLIENT, "https"),
    "an obscured port": ('for="192.0.2.1:_p-1"', CLIENT, "http"),
    "tabs and empty elements": ("\t,\tfor=192.0.2.1\t,", CLIENT, "http"),
    "escaped characters": (r'for="192.0.2\.1"', CLIENT, "http"),
    "a hidden client": ("for=_gazonk;proto=https", PEER, "https"),
    "no client": ("proto=https", PEER, "https"),
    "an unknown client behind a hop": ("for=unknown, for=10.0.0.2", "10.0.0.2", "http"),
    "empty elements": (", for=192.0.2.1 ,,", CLIENT, "http"),
    "an empty value": ("", PEER, "http"),
    "a comma in quotes": ('for=192.0.2.1;by="a,for=6.6.6.6"', CLIENT, "http"),
    "an open quote": ('for=192.0.2.1;by="a', PEER, "http"),
    "an open quote on the left": ('for="6.6.6.6, for=192.0.2.1', PEER, "http"),
    "a repeated parameter": ("for=6.6.6.6;for=192.0.2.1", PEER, "http"),
    "no value": ("for=", PEER, "http"),
    "no name": ("=192.0.2.1", PEER, "http"),
    "spaces around the equals sign": ("for = 192.0.2.1", PEER, "http"),
    "unquoted brackets": ("for=[2001:db8::1]", PEER, "http"),
    "another scheme": ("for=192.0.2.1;proto=gopher", CLIENT, "http"),
}


@pytest.mark.parametrize(("value", "client", "scheme"), FORWARDED.values(), ids=FORWARDED)
def test_forwarded_is_parsed_strictly(value: str, client: str, scheme: str) -> None:
    """RFC 7239 4 to 6; a malformed field is ignored."""
    assert (client_of(("forwarded", value)), scheme_of(("forwarded", value))) == (client, scheme)


def test_forwarded_is_ignored_if_there_are_x_forwarded_fields() -> None:
    """Most proxies write X-Forwarded fields, and forward a Forwarded field that the client has forged."""
    spoofed = ("forwarded", "for=6.6.6.6;proto=https")
    assert client_of(("x-forwarded-for", CLIENT), spoofed) == CLIENT
    assert scheme_of(("x-forwarded-for", CLIENT), spoofed) == "http"
    assert client_of(("x-forwarded-proto", "https"), spoofed) == PEER


@given(
    st.sampled_from(["x-forwarded-for", "x-forwarded-proto", "forwarded"]), st.text(st.characters(max_codepoint=255))
)
def test_every_field_value_gives_an_address_and_a_scheme(name: str, value: str) -> None:
    client, scheme = trusted().resolve(as_headers(((name, value),)), PEER, "http")
    assert str(parse_node(client)) == client
    assert scheme in ("http", "https")


@given(
    st.ip_addresses(), st.sampled_from(["http", "https"]), st.sampled_from(["", "h", "api.example:8443", "[::1]:80"])
)
def test_the_gateways_own_element_can_be_parsed(address: object, scheme: str, host: str) -> None:
    (element,) = parse_forwarded(forwarded_value(str(address), scheme, host))
    assert element["for"].strip("[]") == str(address)
    assert (element["proto"], element.get("host", "")) == (scheme, host)


# --- over sockets ------------------------------------------------------------------------------------------------

FORWARDED_FIELDS = (
    "X-Forwarded-For: 6.6.6.6, 192.0.2.1",
    "X-Forwarded-Proto: https",
    "Forwarded: for=7.7.7.7",
    "X-Real-IP: 8.8.8.8",
)


@pytest.fixture(scope="module")
def behind_a_proxy(make_app: MakeApp) -> Iterator[RunningGateway]:
    """A gateway that trusts this machine."""
    with running(make_app(TRUSTED_PROXIES="127.0.0.1")) as gateway:
        yield gateway


def test_the_service_gets_the_client_that_a_trusted_proxy_names(
    behind_a_proxy: RunningGateway, upstream: RawUpstream
) -> None:
    """The gateway sends one new element, so neither a forged element nor a chain reaches the service."""
    with behind_a_proxy.connect() as proxy:
        assert proxy.request("GET /public/ HTTP/1.1", "Host: h:80", *FORWARDED_FIELDS).status == 200
    assert upstream.last.get("x-forwarded-for") == CLIENT
    assert upstream.last.get("x-forwarded-proto") == "https"
    assert upstream.last.get("forwarded") == 'for=192.0.2.1;proto=https;host="h:80"'
    assert upstream.last.get("x-real-ip") is None


def test_requests_of_several_clients_share_a_proxys_connection(
    behind_a_proxy: RunningGateway, upstream: RawUpstream
) -> None:
    """Each request has its own client; a request that names none is the proxy's own."""
    with behind_a_proxy.connect() as proxy:
        for fields in (["X-Forwarded-For: 192.0.2.1"], ["X-Forwarded-For: 192.0.2.2"], [], ["X-Forwarded-For: ;;"]):
            assert proxy.request("GET /public/ HTTP/1.1", "Host: h", *fields).status == 200
    clients = [request.get("x-forwarded-for") for request in upstream.requests]
    assert clients == ["192.0.2.1", "192.0.2.2", "127.0.0.1", "127.0.0.1"]


def test_without_trusted_proxies_the_client_is_the_peer(gateway: RunningGateway, upstream: RawUpstream) -> None:
    with gateway.connect() as client:
        assert client.request("GET /public/ HTTP/1.1", "Host: h", *FORWARDED_FIELDS).status == 200
    assert upstream.last.get("x-forwarded-for") == "127.0.0.1"
    assert upstream.last.get("x-forwarded-proto") == "http"
    assert upstream.last.get("forwarded") == 'for=127.0.0.1;proto=http;host="h"'
