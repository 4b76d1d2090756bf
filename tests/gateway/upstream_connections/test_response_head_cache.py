"""The response head cache reads a head as the parser does, or leaves it to the parser."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.http.response_head import ResponseHead
from gateway.upstream_connections.response_head_cache import MAX_LINES, ResponseHeadCache
from gateway.upstream_connections.response_parser import ResponseParser

HEAD = b"HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 4\r\nETag: %b\r\n\r\n"


def test_a_head_is_read_with_any_part_of_its_body() -> None:
    cache = ResponseHeadCache()
    for etag in (b"1", b"1", b"2"):
        head = HEAD % etag
        for body in (b"text", b"te", b"", b"text and more"):
            found = cache.find(head + body)
            assert found == ResponseHead(200, 4, b"content-length: 4\r\netag: %b\r\n" % etag, head)
            assert found.fields() == [(b"content-length", b"4"), (b"etag", etag)]


@pytest.mark.parametrize("keep_cookies", [True, False])
def test_cookies_are_kept_on_some_routes_except_the_gateways_own(keep_cookies: bool) -> None:
    cache = ResponseHeadCache(keep_cookies=keep_cookies)
    for number in range(3):
        cookie = b"a=%d; Path=/" % number
        head = cache.find(WHOLE.replace(b"\r\n\r\n", b"\r\nSet-Cookie: " + cookie + b"\r\n\r\n") + b"body")
        assert head is not None
        assert head.fields()[1:] == ([(b"set-cookie", cookie)] if keep_cookies else [])
        head = cache.find(
            WHOLE.replace(b"\r\n\r\n", b"\r\nSet-Cookie: " + b"__Host-session=x" + b"\r\n\r\n") + b"body"
        )
        assert head is not None
        assert head.fields()[1:] == []


WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"


@pytest.mark.parametrize(
    "data",
    [
        *(WHOLE[:-2], b"", b"\r\n\r\n"),
        WHOLE.replace(b"200", b"204") + b"body",
        WHOLE.replace(b"200", b"304") + b"body",
        WHOLE.replace(b"200", b"101") + b"body",
        WHOLE.replace(b"1.1", b"1.0") + b"body",
        WHOLE.replace(b"Content-Length: 4", b"Content-Length: 4\r\nContent-Length: 4") + b"body",
        WHOLE.replace(b"Content-Length: 4", b"Content-Length: 04") + b"body",
        WHOLE.replace(b"Content-Length: 4", b"Content-Length: 18446744073709551616") + b"body",
        WHOLE.replace(b"Content-Length: 4", b"Content-Length: 4\r\nX: content-length: 4") + b"body",
        WHOLE.replace(b"Content-Length: 4", b"X: y") + b"body",
        WHOLE.replace(b"Content-Length: 4", b"X-Content-Length: 4") + b"body",
        WHOLE.replace(b"Content-Length: 4", b"Transfer-Encoding: chunked") + b"4\r\nbody\r\n0\r\n\r\n",
        WHOLE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + b"body",
        WHOLE.replace(b"\r\n\r\n", b"\r\nProxy-Connection: close\r\n\r\n") + b"body",
        WHOLE.replace(b"\r\n\r\n", b"\r\nConnection: X-A\r\nX-A: b\r\n\r\n") + b"body",
        WHOLE.replace(b"\r\n\r\n", b"\r\nLocation: /\r\n\r\n") + b"body",
        WHOLE.replace(b"\r\n\r\n", b"\r\nX: a\r\n b\r\n\r\n") + b"body",
        WHOLE.replace(b"\r\n\r\n", b"\r\nX: a\nY: b\r\n\r\n") + b"body",
        WHOLE.replace(b"\r\n\r\n", b"\r\nX: " + b"x" * 5_000 + b"\r\n\r\n") + b"body",
        WHOLE.replace(b"200", b"401").replace(b"\r\n\r\n", b"\r\nX-Identity-Refused: old\r\n\r\n") + b"body",
    ],
)
def test_other_responses_are_left_to_the_parser(data: bytes) -> None:
    """Also after a response whose head is compared first."""
    cache = ResponseHeadCache()
    assert cache.find(data) is None
    assert cache.find(WHOLE + b"body") is not None
    assert cache.find(data) is None


def test_the_cache_keeps_a_bounded_number_of_lines() -> None:
    cache = ResponseHeadCache()
    for number in range(3 * MAX_LINES):
        assert cache.find(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX: %d\r\n\r\nbody" % number) is not None
    assert 0 < len(cache) <= MAX_LINES


def _parsed(data: bytes, *, keep_cookies: bool) -> ResponseParser:
    """Return the parser after the response in `data`."""
    parser = ResponseParser()
    parser._keep_cookies = keep_cookies
    try:
        parser.feed(data)
    except Exception:  # noqa: BLE001 - httptools wraps every error; all of them mean that it is malformed
        parser.complete = False
    return parser


def _is_whole(parser: ResponseParser) -> bool:
    return parser.complete and parser._keeps_alive and not parser.has_url_fields and not parser.identity_rejection


NAMES = st.sampled_from(
    [
        *(
            "Content-Length",
            "content-length",
            "Date",
            "ETag",
            "Connection",
            "Set-Cookie",
            "Transfer-Encoding",
            "Server",
        ),
        *(
            "X-A",
            "x_b",
            "Location",
            "Upgrade",
            "Keep-Alive",
            "X-Identity-Refused",
            "X Y",
            "",
            "Vary",
            "Trailer",
            "Via",
        ),
    ]
)
VALUES = st.one_of(
    st.sampled_from(["4", "04", "+4", "4, 4", "3", "keep-alive", "Keep-Alive", "close", "X-A", "chunked", "h2c", ""]),
    st.text("a4 :,\t\r\n\x00\x7fé", max_size=5),
)
SEPARATORS = st.sampled_from([": ", ": ", ": ", ":", ":  ", " : "])
LINES = st.tuples(NAMES, SEPARATORS, VALUES).map("".join)
STATUS_LINES = st.sampled_from(
    [
        *(
            "HTTP/1.1 200 OK",
            "HTTP/1.1 200 OK",
            "HTTP/1.1 404 Not Found",
            "HTTP/1.1 200 ",
            "HTTP/1.1 200",
            "HTTP/1.0 200 OK",
        ),
        *(
            "HTTP/1.1 204 No Content",
            "HTTP/1.1 304 Not Modified",
            "HTTP/1.1 100 Continue",
            "HTTP/1.1 099 x",
            "ICY 200 OK",
        ),
        *("HTTP/1.1 600 x", "HTTP/1.1  200 OK", "HTTP/1.1 200 \x01", "HTTP/1.1 401 Unauthorized", "HTTP/2.0 200 OK"),
    ]
)
RESPONSES = st.tuples(STATUS_LINES, st.lists(LINES, max_size=5), st.sampled_from(["body", "bod", "body+", ""])).map(
    lambda parts: "\r\n".join([parts[0], *parts[1], "Content-Length: 4", "", parts[2]]).encode("latin-1")
)


def assert_read_as_parsed(cache: ResponseHeadCache, data: bytes, *, keep_cookies: bool) -> None:
    """Check that the parser reads the same, if `data` is a whole response whose head the cache reads."""
    head = cache.find(data)
    if head is None or len(data) != len(head.head) + head.length:
        return
    parsed = _parsed(data, keep_cookies=keep_cookies)
    assert _is_whole(parsed)
    body = data[len(head.head) :]
    assert (head.status, head.fields(), body) == (parsed.status, parsed.headers, b"".join(parsed._chunks))


@given(responses=st.lists(RESPONSES, min_size=1, max_size=4), keep_cookies=st.booleans())
@example(responses=[b"HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nContent-Length: 4\r\n\r\nbody"], keep_cookies=False)
def test_a_head_is_read_as_the_parser_reads_it(responses: list[bytes], keep_cookies: bool) -> None:
    """This holds with an empty cache and with the lines of earlier responses in it."""
    cache = ResponseHeadCache(keep_cookies=keep_cookies)
    for data in responses * 2:
        assert_read_as_parsed(cache, data, keep_cookies=keep_cookies)


SHAPED = b"HTTP/1.1 200 OK\r\nDate: %b\r\nX-A: 100%%\r\nContent-Length: %b\r\n%b: %b\r\nServer: %b\r\n\r\nbody"
SHAPED_VALUES = st.sampled_from(["4", "4", "4", "04", "+4", "4 ", "", "1" * 19]) | st.text(
    "a4 :,%\t\r\n\x00\x7fé", max_size=5
)


@given(
    values=st.lists(st.tuples(*[SHAPED_VALUES] * 4), min_size=3, max_size=6),
    name=st.sampled_from(["ETag", "Set-Cookie", "Connection", "X-B", "Vary"]),
    keep_cookies=st.booleans(),
)
@example(
    values=[("a", "4", "b", "c"), ("a", "3", "c", "c"), ("a", "4", "a  b", "c")], name="ETag", keep_cookies=False
)
@example(values=[("a", "4", "b", "c"), ("a", "4", "__Host-session=x", "c")] * 2, name="Set-Cookie", keep_cookies=True)
@example(
    values=[("a", "4", "Keep-Alive", "c"), ("a", "4", "keep-alive", "c")] * 2, name="Connection", keep_cookies=True
)
@example(
    values=[("a", "4", "b", "c"), ("d", "4", "e", "f"), ("g", "4", "h\nX: y", "c")], name="X-B", keep_cookies=False
)
def test_a_head_of_a_known_shape_is_read_as_the_parser_reads_it(
    values: list[tuple[str, str, str, str]], name: str, keep_cookies: bool
) -> None:
    """The heads have the same field names. Their values differ, and teach the cache which values may differ."""
    cache = ResponseHeadCache(keep_cookies=keep_cookies)
    for date, length, value, server in [("a", "4", "a", "a"), ("b", "4", "b", "b"), *values]:
        data = SHAPED % tuple(part.encode("latin-1") for part in (date, length, name, value, server))
        assert_read_as_parsed(cache, data, keep_cookies=keep_cookies)


def test_a_head_of_a_known_shape_needs_no_line_of_its_own() -> None:
    """The lines of the later heads are not cached."""
    cache = ResponseHeadCache()
    heads = [b"HTTP/1.1 200 OK\r\nX-A: %d\r\nContent-Length: %d\r\n\r\n" % (n, n) for n in range(1, 20)]
    read = [cache.find(head + b"body") for head in heads]
    assert [head and head.fields() for head in read] == [
        [(b"x-a", b"%d" % n), (b"content-length", b"%d" % n)] for n in range(1, 20)
    ]
    assert [head and head.length for head in read] == list(range(1, 20))
    assert len(cache) == 4
