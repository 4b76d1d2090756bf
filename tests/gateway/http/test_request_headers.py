"""The header fields of a request that are forwarded, and those for which a request is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from contract.problems import Refused
from gateway.http.header_fields import MAX_CACHED_NAMES
from gateway.http.request_headers import (
    FieldAction,
    FieldActionCache,
    RequestFields,
    forward_opt_in,
    gateway_endpoint_fields,
    may_be_forwarded,
    may_be_set_on_requests,
    read_request_fields,
)
from gateway.http.request_limits import DEFAULT_LIMITS, RequestLimits
from tests.gateway.http.header_names import ALIASES, CLIENT_FIELDS, DROPPED, FORWARDED, MALFORMED, NOT_PLAIN, OPT_IN

HOST = (b"host", b"h")


def read(*headers: tuple[bytes, bytes], version: str = "1.1") -> RequestFields:
    return read_request_fields([HOST, *headers], version)


def forwarded(*headers: tuple[bytes, bytes]) -> bytes:
    return b"".join(read(*headers).lines)


@pytest.mark.parametrize("name", FORWARDED)
def test_an_end_to_end_field_is_forwarded(name: str) -> None:
    assert forwarded((name.encode(), b"v")) == f"{name}: v\r\n".encode()


@pytest.mark.parametrize("name", DROPPED)
def test_hop_by_hop_fields_and_the_gateways_own_are_dropped(name: str) -> None:
    assert forwarded((name.encode(), b"close"), (b"x-kept", b"1")) == b"x-kept: 1\r\n"


@pytest.mark.parametrize("name", CLIENT_FIELDS)
def test_a_field_that_clients_send_themselves_is_forwarded(name: str) -> None:
    assert forwarded((name.encode(), b"v")) == f"{name}: v\r\n".encode()


@pytest.mark.parametrize("name", OPT_IN)
def test_a_spoofable_field_is_forwarded_only_if_the_route_lists_it(name: str) -> None:
    fields = read((name.encode(), b"forged"), (b"x-kept", b"1"))
    assert b"".join(fields.lines) == b"x-kept: 1\r\n"
    forward_opt_in(fields, frozenset({b"x-other"}))
    assert b"".join(fields.lines) == b"x-kept: 1\r\n"
    forward_opt_in(fields, frozenset({name.encode()}))
    assert b"".join(fields.lines) == f"x-kept: 1\r\n{name}: forged\r\n".encode()
    assert may_be_forwarded(name.title())


def test_an_opt_in_field_that_connection_lists_is_not_forwarded() -> None:
    fields = read((b"x-script-name", b"/app"), (b"connection", b"x-script-name"))
    forward_opt_in(fields, frozenset({b"x-script-name"}))
    assert fields.lines == []


@pytest.mark.parametrize("name", [*DROPPED, "authorization", "cookie", "host", "content-length", "x-refresh-token"])
def test_no_route_can_forward_a_field_that_the_gateway_sends_or_reads(name: str) -> None:
    assert not may_be_forwarded(name)


def test_an_opt_in_field_is_logged_once() -> None:
    """The log tells an operator why a service does not receive the field."""
    with capture_logs() as lines:
        for _ in range(3):
            read((b"x-webauth-logged-once", b"1"))
    (line,) = lines
    assert (line["event"], line["name"]) == ("request_field_withheld", "x-webauth-logged-once")
    assert "forward_headers" in line["to_forward_it"]


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_name_is_refused(name: str) -> None:
    """The detail quotes the name without control characters."""
    with pytest.raises(Refused) as refused:
        read((name.encode(), b"v"))
    assert refused.value.code == "bad_header"
    assert refused.value.detail.isprintable()


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_a_field_whose_name_is_not_plain_is_forwarded_only_if_the_route_lists_it(name: str) -> None:
    """A service may take it for the field with the plain name."""
    fields = read((name.encode(), b"v"), (b"x-kept", b"1"))
    assert b"".join(fields.lines) == b"x-kept: 1\r\n"
    assert forward_opt_in(fields, frozenset({b"x-other"})) == 1
    assert b"".join(fields.lines) == b"x-kept: 1\r\n"
    assert forward_opt_in(fields, frozenset({name.encode()})) == 0
    assert b"".join(fields.lines) == f"x-kept: 1\r\n{name}: v\r\n".encode()
    assert may_be_forwarded(name.title())
    assert not may_be_set_on_requests(name)


@pytest.mark.parametrize("name", ALIASES)
def test_no_route_can_forward_an_alias_of_the_gateways_own_fields(name: str) -> None:
    """WSGI, CGI and PHP give a service the same variable for both."""
    assert forwarded((name.encode(), b"5")) == b""
    assert not may_be_forwarded(name)
    assert not may_be_forwarded(name.upper())


def test_a_long_name_is_valid_and_is_not_cached() -> None:
    actions = FieldActionCache()
    for name in (b"a" * 5_000, b"_" * 5_000):
        assert actions[name] in (FieldAction.FORWARD, FieldAction.FORWARD_ON_OPT_IN)
    assert len(actions) == 0
    assert forwarded((b"a" * 5_000, b"v")) == b"a" * 5_000 + b": v\r\n"


def test_credentials_and_framing_are_read_and_not_forwarded() -> None:
    found = read((b"authorization", b"Bearer x"), (b"cookie", b"a=1"), (b"cookie", b"b=2"), (b"content-length", b"7"))
    assert found.lines == []
    assert (found.authorization, found.cookies) == (b"Bearer x", [b"a=1", b"b=2"])
    assert (found.content_length, found.chunked, found.has_body) == (7, False, True)
    assert read((b"transfer-encoding", b"Chunked")).has_body
    assert not read((b"content-length", b"0")).has_body


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (b"close", b"a: 1\r\nb: 2\r\n"),
        (b"keep-alive", b"a: 1\r\nb: 2\r\n"),
        (b"a", b"b: 2\r\n"),
        (b"A", b"b: 2\r\n"),
        (b"close, a ,B", b""),
        (b",, ,a,", b"b: 2\r\n"),
        (b"x-identity, host, content-length", b"a: 1\r\nb: 2\r\n"),
    ],
)
def test_fields_that_connection_lists_are_dropped(value: bytes, kept: bytes) -> None:
    """RFC 9110 7.6.1."""
    assert forwarded((b"a", b"1"), (b"connection", value), (b"b", b"2")) == kept


@pytest.mark.parametrize(
    ("headers", "version", "code"),
    [
        ([], "1.1", "bad_header"),
        ([(b"host", b"")], "1.1", "bad_header"),
        ([HOST, HOST], "1.1", "bad_header"),
        ([HOST, HOST], "1.0", "bad_header"),
        ([HOST], "0.9", "bad_request"),
        ([HOST], "1.2", "bad_request"),
        ([HOST], "2.0", "bad_request"),
        ([HOST, (b"transfer-encoding", b"chunked")], "1.0", "bad_header"),
        ([HOST, (b"transfer-encoding", b"gzip")], "1.1", "bad_header"),
        ([HOST, (b"transfer-encoding", b"gzip, chunked")], "1.1", "bad_header"),
        ([HOST, (b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")], "1.1", "bad_header"),
        ([HOST, (b"transfer-encoding", b"chunked"), (b"content-length", b"1")], "1.1", "bad_header"),
        ([HOST, (b"content-length", b"1"), (b"content-length", b"1")], "1.1", "bad_header"),
        ([HOST, (b"content-length", b"-1")], "1.1", "bad_header"),
        ([HOST, (b"content-length", b"1_000")], "1.1", "bad_header"),
        ([HOST, (b"content-length", b"1 ")], "1.1", "bad_header"),
        ([HOST, (b"content-length", b"9" * 19)], "1.1", "bad_header"),
        ([HOST, (b"content-length", "٣".encode())], "1.1", "bad_header"),
        ([HOST, (b"expect", b"the worst")], "1.1", "bad_header"),
        ([HOST, (b"authorization", b"a"), (b"authorization", b"a")], "1.1", "multiple_credentials"),
        ([HOST, (b"x-refresh-token", b"a"), (b"x-refresh-token", b"a")], "1.1", "multiple_credentials"),
    ],
)
def test_an_ambiguous_header_section_is_refused(headers: list[tuple[bytes, bytes]], version: str, code: str) -> None:
    """Another HTTP parser could read it differently."""
    with pytest.raises(Refused) as refused:
        read_request_fields(headers, version)
    assert (refused.value.code, refused.value.status) == (code, 400)


def test_expect_is_a_list() -> None:
    """RFC 9110 10.1.1."""
    read((b"expect", b"100-continue , 100-Continue"), (b"expect", b"100-continue"))
    with pytest.raises(Refused):
        read((b"expect", b"100-continue, 200-ok"))


def test_http_1_0_needs_no_host() -> None:
    assert read_request_fields([], "1.0").host is None


def test_at_most_a_hundred_fields_are_accepted_by_default() -> None:
    read(*[(b"x", b"")] * (DEFAULT_LIMITS.header_fields - 1))
    with pytest.raises(Refused) as refused:
        read(*[(b"x", b"")] * DEFAULT_LIMITS.header_fields)
    assert refused.value.status == 431


def test_at_most_32_kilobytes_are_accepted_by_default() -> None:
    used = len(b"host: h\r\n") + len(b"x: \r\n")
    read((b"x", b"v" * (DEFAULT_LIMITS.header_bytes - used)))
    with pytest.raises(Refused) as refused:
        read((b"x", b"v" * (DEFAULT_LIMITS.header_bytes - used + 1)))
    assert refused.value.status == 431


def test_the_limits_of_a_header_section_can_be_set() -> None:
    limits = RequestLimits(header_fields=2, header_bytes=50)
    read_request_fields([HOST, (b"x", b"v" * 36)], "1.1", limits)
    for too_many in ([HOST, (b"x", b""), (b"x", b"")], [HOST, (b"x", b"v" * 37)]):
        with pytest.raises(Refused) as refused:
            read_request_fields(too_many, "1.1", limits)
        assert refused.value.status == 431


def test_an_oversized_token_is_a_401_instead_of_a_431() -> None:
    """A client gets a new token after a 401."""
    with pytest.raises(Refused) as refused:
        read((b"authorization", b"Bearer " + b"x" * 33_000))
    assert refused.value.status == 401


def test_the_cache_of_names_is_bounded() -> None:
    actions = FieldActionCache()
    for number in range(5_000):
        assert actions[b"x-%d" % number] is FieldAction.FORWARD
    assert len(actions) == MAX_CACHED_NAMES
    assert (actions[b"x-user-id"], actions[b"x-new"]) == (FieldAction.DROP, FieldAction.FORWARD)


def test_the_gateways_endpoints_get_no_field_that_clients_must_not_set() -> None:
    given_fields = [(name.encode(), b"v") for name in (*DROPPED[1:], *OPT_IN, *FORWARDED)]
    assert [name.decode() for name, _ in gateway_endpoint_fields(given_fields)] == FORWARDED


NAMES = st.text("abcXYZ019-_.: \r\n\0é", max_size=12).map(str.encode) | st.sampled_from(
    [name.encode() for name in (*DROPPED, *OPT_IN, *FORWARDED)]
)


@given(st.lists(st.tuples(NAMES.map(bytes.lower), st.binary(max_size=20)), max_size=20))
def test_only_plain_names_are_forwarded_for_any_input(headers: list[tuple[bytes, bytes]]) -> None:
    try:
        lines = read(*headers).lines
    except Refused:
        return
    names = lines[::4]
    assert not {name.encode() for name in (*DROPPED, *OPT_IN)} & set(names)
    assert all(name.replace(b"-", b"a").isalnum() and name.isascii() for name in names)
    assert all(line == b"\r\n" for line in lines[3::4])
