"""The response head cache reads a head as the parser does, or leaves it to the parser."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.http.response_head import ResponseHead
from gateway.upstream_connections.response_head_cache import MAX_LINES, ResponseHeadCache
from gateway.upstream_connections.response_parser import ResponseParser

HEAD = b"HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 4\r\nETag: %b\r\n\r\n"


def test_a_head_is_read_with_its_body() -> None:
    cache = ResponseHeadCache()
    for etag in (b"1", b"1", b"2"):
        found = cache.find(HEAD % etag + b"text")
        assert found == (ResponseHead(200, 4, b"content-length: 4\r\netag: %b\r\n" % etag, HEAD % etag), b"text")
        assert found[0].fields() == [(b"content-length", b"4"), (b"etag", etag)]


WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"


@pytest.mark.parametrize(
    "data",
    [
        *(WHOLE + b"bod", WHOLE + b"body+", WHOLE[:-2], b"", b"\r\n\r\n"),
        WHOLE.replace(b"200", b"204") + b"body",
        WHOLE.replace(b"200", b"304") + b"body",
        WHOLE.replace(b"200", b"101") + b"body",
        WHOLE.replace(b"1.1", b"1.0") + b"body",
        WHOLE.replace(b"Content-Length: 4", b"Content-Length: 4\r\nContent-Length: 4") + b"body",
        WHOLE.replace(b"Content-Length: 4", b"Content-Length: 04") + b"body",
        WHOLE.replace(b"Content-Length: 4", b"Content-Length: 4\r\nX: content-length: 4") + b"body",
        WHOLE.replace(b"Content-Length: 4", b"X: y") + b"body",
        WHOLE.replace(b"Content-Length: 4", b"X-Content-Length: 4") + b"body",
        WHOLE.replace(b"Content-Length: 4", b"Transfer-Encoding: chunked") + b"4\r\nbody\r\n0\r\n\r\n",
        WHOLE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + b"body",
        WHOLE.replace(b"\r\n\r\n", b"\r\nConnection: X-A\r\nX-A: b\r\n\r\n") + b"body",
        WHOLE.replace(b"\r\n\r\n", b"\r\nLocation: /\r\n\r\n") + b"body",
        WHOLE.replace(b"\r\n\r\n", b"\r\nX: a\r\n b\r\n\r\n") + b"body",
        WHOLE.replace(b"\r\n\r\n", b"\r\nX: a\nY: b\r\n\r\n") + b"body",
        WHOLE.replace(b"\r\n\r\n", b"\r\nX: " + b"x" * 5_000 + b"\r\n\r\n") + b"body",
        WHOLE.replace(b"200", b"401").replace(b"\r\n\r\n", b"\r\nX-Identity-Refused: old\r\n\r\n") + b"body",
    ],
)
def test_other_responses_are_left_to_the_parser(data: bytes) -> None:
    """Also after a response whose head the cache tries first."""
    cache = ResponseHeadCache()
    assert cache.find(data) is None
    assert cache.find(WHOLE + b"body") is not None
    assert cache.find(data) is None


def test_the_cache_keeps_a_bounded_number_of_lines() -> None:
    cache = ResponseHeadCache()
    for number in range(3 * MAX_LINES):
        assert cache.find(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX: %d\r\n\r\nbody" % number) is not None
    assert 0 < len(cache) <= MAX_LINES


class _Reader(ResponseParser):
    """The parser, with what a connection keeps of a response."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        try:
            self._parser.feed_data(data)
        except Exception:  # noqa: BLE001 - httptools wraps every error; all of them mean that it is malformed
            self.complete = False

    @property
    def is_whole(self) -> bool:
        return self.complete and self._keeps_alive and not self.has_url_fields and not self.identity_rejection


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


@given(st.lists(RESPONSES, min_size=1, max_size=4))
@example([b"HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nContent-Length: 4\r\n\r\nbody"])
def test_a_head_is_read_as_the_parser_reads_it(responses: list[bytes]) -> None:
    """This holds with an empty cache and with the lines of earlier responses in it."""
    cache = ResponseHeadCache()
    for data in responses * 2:
        found = cache.find(data)
        if found is None:
            continue
        head, body = found
        parsed = _Reader(data)
        assert parsed.is_whole
        assert (head.status, head.fields(), body) == (parsed.status, parsed.headers, b"".join(parsed._chunks))
