"""The head of an upstream request is exactly one request with the gateway's fields, or the request is refused."""

from typing import Any

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contract.problems import Refused
from gateway.http.request_headers import RequestFields, read_request_fields
from gateway.pipeline.match import MatchedRequest
from gateway.pipeline.pipeline import AdmittedRequest
from gateway.pipeline.request_head import credential_lines, forwarding_lines, head_template, own_lines, request_line
from gateway.pipeline.request_target import check_target
from gateway.routing.routes import METHODS, Route, Timeouts, Upstream

UPSTREAM = Upstream("notes", (), audience="notes", signer=None, max_connections=1)
ROUTE = Route("/api/", UPSTREAM, public=True, roles=frozenset(), methods=METHODS, max_body=0, timeouts=Timeouts())
HOST_LINE = b"Host: notes:8002\r\n"
IDENTITY = b"X-Identity: signed\r\nX-User-Id: ada-id\r\n"
GATEWAY_FIELDS = [
    b"x-request-id",
    b"x-forwarded-for",
    b"x-forwarded-proto",
    b"forwarded",
    b"via",
    b"x-identity",
    b"x-user-id",
]


def head(fields: RequestFields, *, with_credentials: bool = False, **changed: Any) -> bytes:
    given: dict[str, Any] = {
        "method": "GET",
        "path": b"/api/",
        "query": b"",
        "fields": fields,
        "via": b"Via: 1.1 sallyport\r\n",
        **changed,
    }
    line = request_line(given["method"], given.pop("path"), given.pop("query"))
    template = head_template(**given)
    credentials = credential_lines(fields.authorization, fields.cookies) if with_credentials else b""
    forwarding = b"X-Request-Id: id-1\r\n" + forwarding_lines(template.host, "192.0.2.1", "http")
    own = own_lines(fields.content_length, fields.traceparent, chunked=fields.chunked)
    matched = MatchedRequest(ROUTE, None, template, line, own, fields.has_body, fields.chunked)
    return AdmittedRequest(ROUTE, matched, forwarding, IDENTITY + credentials).head(HOST_LINE)


def parsed(raw: bytes) -> tuple[h11.Request, bytes]:
    """Return the request that an independent parser reads, and what follows its head."""
    reader = h11.Connection(h11.SERVER)
    reader.receive_data(raw)
    request = reader.next_event()
    assert isinstance(request, h11.Request)
    return request, raw.partition(b"\r\n\r\n")[2]


def test_a_request_without_fields_has_exactly_the_gateways_fields() -> None:
    assert head(RequestFields()) == (
        b"GET /api/ HTTP/1.1\r\nHost: notes:8002\r\nX-Request-Id: id-1\r\nX-Forwarded-For: 192.0.2.1\r\n"
        b"X-Forwarded-Proto: http\r\nForwarded: for=192.0.2.1;proto=http\r\n"
        b"Via: 1.1 sallyport\r\nX-Identity: signed\r\nX-User-Id: ada-id\r\n\r\n"
    )


def test_the_clients_fields_precede_the_gateways() -> None:
    found, rest = parsed(head(read_request_fields([(b"host", b"h:80"), (b"accept", b"*/*")], "1.1")))
    assert [name for name, _ in found.headers] == [
        b"host",
        b"accept",
        *GATEWAY_FIELDS[:3],
        b"x-forwarded-host",
        *GATEWAY_FIELDS[3:],
    ]
    assert dict(found.headers)[b"x-forwarded-host"] == b"h:80"
    assert rest == b""


def test_framing_fields_are_written_by_the_gateway() -> None:
    """The client's own lines are never copied."""
    base = [(b"host", b"h")]
    assert b"Content-Length: 7\r\n" in head(read_request_fields([*base, (b"content-length", b"0007")], "1.1"))
    assert b"Content-Length: 0\r\n" in head(read_request_fields([*base, (b"content-length", b"0")], "1.1"))
    chunked = head(read_request_fields([*base, (b"transfer-encoding", b"CHUNKED")], "1.1"))
    assert b"Transfer-Encoding: chunked\r\n" in chunked
    assert b"Content-Length" not in chunked


def test_credentials_are_not_part_of_the_template() -> None:
    fields = read_request_fields(
        [(b"host", b"h"), (b"authorization", b"B x"), (b"cookie", b"a"), (b"cookie", b"b")], "1.1"
    )
    assert b"Authorization: B x\r\nCookie: a; b\r\n" in head(fields, with_credentials=True)
    assert b"Authorization" not in head(fields) + head(RequestFields(), with_credentials=True)


def test_a_query_follows_a_question_mark() -> None:
    assert head(RequestFields(), query=b"a=1").startswith(b"GET /api/?a=1 HTTP/1.1\r\n")
    assert head(RequestFields(), query=b"").startswith(b"GET /api/ HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "value", [b"a\r\nX-Identity: forged", b"a\nb", b"a\rb", b"a\0b", b"\r\n", b"\n", b"a\r\n\r\nGET / "]
)
def test_a_value_that_ends_its_line_is_refused(value: bytes) -> None:
    for name in (b"x-any", b"authorization", b"cookie"):
        fields = read_request_fields([(b"host", b"h"), (name, value)], "1.1")
        with pytest.raises(Refused) as refused:
            head(fields, with_credentials=True)
        assert refused.value.code == "bad_header"


@pytest.mark.parametrize("host", [b"a b", b"a\r\nX: 1", b"a/b", b"a@b", b"a?b", b"\xc3\xa9", b"a,b", b"a" * 256])
def test_a_malformed_host_is_refused(host: bytes) -> None:
    with pytest.raises(Refused):
        head(read_request_fields([(b"host", host)], "1.1"))


HOSTILE = st.sampled_from(
    [
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b"\r\n\r\n",
        b"X-Identity: forged\r\n",
        b"GET /x HTTP/1.1\r\n",
        b"\r\nHost: evil\r\n\r\n",
    ]
)
VALUES = st.binary(max_size=20) | st.lists(HOSTILE | st.binary(max_size=5), max_size=4).map(b"".join)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", True),
        (b"00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01", False),
        (b"00-short-b7ad6b7169203331-01", False),
        (b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nX: 1", False),
    ],
)
def test_a_traceparent_is_forwarded_only_if_it_is_valid(value: bytes, kept: bool) -> None:
    assert own_lines(None, value) == (b"traceparent: " + value + b"\r\n" if kept else b"")


NAMES = st.sampled_from(
    [
        *(b"accept", b"x-any", b"authorization", b"cookie", b"content-length", b"transfer-encoding", b"connection"),
        *(b"x-identity", b"x-user-id", b"x-request-id", b"via", b"traceparent", b"expect", b"host", b"x_y", b"te"),
    ]
) | st.binary(max_size=8)
FIELDS = st.lists(st.tuples(NAMES.map(bytes.lower), VALUES), max_size=8)


@given(
    headers=FIELDS,
    host=VALUES | st.just(b"h"),
    version=st.sampled_from(["1.0", "1.1"]),
    path=st.just(b"x") | VALUES,
    query=st.just(b"") | VALUES,
    with_credentials=st.booleans(),
)
@example(headers=[], host=b"h", version="1.0", path=b"", query=b"", with_credentials=False)
def test_any_input_becomes_exactly_one_request_or_is_refused(
    headers: list[tuple[bytes, bytes]], host: bytes, version: str, path: bytes, query: bytes, with_credentials: bool
) -> None:
    """An independent parser finds exactly one request, for the given path and identity, and nothing after it."""
    try:
        check_target(b"/api/" + path, query)
        fields = read_request_fields([(b"host", host), *headers], version)
        raw = head(fields, path=b"/api/" + path, query=query, with_credentials=with_credentials)
    except Refused:
        return
    assert raw.count(b"\r\n\r\n") == 1
    try:
        found, rest = parsed(raw)
    except h11.RemoteProtocolError:  # a control character: the gateway's HTTP server refuses it before the pipeline
        assert any(byte < 0x20 or byte == 0x7F for _, value in headers for byte in value)
        return
    assert rest == b""
    assert found.target == b"/api/" + path + (b"?" + query if query else b"")
    assert found.method == b"GET"
    assert [value for name, value in found.headers if name == b"host"] == [b"notes:8002"]
    for name, expected in ((b"x-identity", b"signed"), (b"x-user-id", b"ada-id"), (b"x-request-id", b"id-1")):
        assert [value for field, value in found.headers if field == name] == [expected]
    sent_names = {name for name, _ in headers}
    allowed = sent_names | {
        *GATEWAY_FIELDS,
        b"host",
        b"x-forwarded-host",
        b"content-length",
        b"transfer-encoding",
        b"traceparent",
    }
    assert {name for name, _ in found.headers} <= allowed
    if not with_credentials:
        assert {b"authorization", b"cookie"}.isdisjoint(name for name, _ in found.headers)
