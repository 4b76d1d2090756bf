"""Responses with ambiguous framing are rejected with 502 (RFC 9112 6.1 and 6.3)."""

import pytest
from structlog.testing import capture_logs

from gateway.upstream_connections.response_framing import InvalidFraming, ResponseFraming, read_framing
from tests.gateway.raw_upstream import RawUpstream, answering
from tests.gateway.running_gateway import RunningGateway
from tests.gateway.single_requests import request_once, status_and_code

CHUNKED = (b"Transfer-Encoding", b"chunked")
LENGTH = (b"Content-Length", b"5")


@pytest.mark.parametrize(
    ("headers", "version", "framing"),
    [
        ([LENGTH], "1.1", ResponseFraming(content_length=5)),
        ([(b"content-length", b" 5\t")], "1.0", ResponseFraming(content_length=5)),
        ([CHUNKED], "1.1", ResponseFraming()),
        ([(b"transfer-encoding", b"Chunked ")], "1.1", ResponseFraming()),
        ([], "1.1", ResponseFraming(ends_at_eof=True)),
        ([], "1.0", ResponseFraming(ends_at_eof=True)),
    ],
)
def test_a_body_has_a_length_or_chunks_or_ends_with_the_connection(
    headers: list[tuple[bytes, bytes]], version: str, framing: ResponseFraming
) -> None:
    assert read_framing(headers, version) == framing


@pytest.mark.parametrize(
    ("headers", "version", "reason"),
    [
        ([LENGTH, LENGTH], "1.1", "Content-Length: '5, 5'"),
        ([(b"Content-Length", b"+5")], "1.1", "Content-Length: '+5'"),
        ([LENGTH, CHUNKED], "1.1", "Content-Length beside Transfer-Encoding"),
        ([CHUNKED, CHUNKED], "1.1", "Transfer-Encoding: 'chunked, chunked'"),
        ([(b"Transfer-Encoding", b"gzip")], "1.1", "Transfer-Encoding: 'gzip'"),
        ([CHUNKED], "1.0", "Transfer-Encoding in HTTP/1.0"),
        ([LENGTH], "2.0", "HTTP/2.0"),
    ],
)
def test_ambiguous_framing_is_rejected_with_its_reason(
    headers: list[tuple[bytes, bytes]], version: str, reason: str
) -> None:
    with pytest.raises(InvalidFraming) as invalid:
        read_framing(headers, version)
    assert str(invalid.value) == reason


@pytest.mark.parametrize(
    "raw",
    [
        b"this is no HTTP\r\n\r\n",
        b"HTTP/1.1 099 Odd\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/3.7 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: minus\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked;x=y\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\nab",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/0.9 200 OK\r\nContent-Length: 2\r\n\r\nab",
        b"RTSP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab",
        b"ICE/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab",
        b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nX: a\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\nX: \x00\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 40_000,
        b"HTTP/1.1 103 Hints\r\n\r\n" * 10_000,
    ],
)
def test_an_invalid_response_is_a_502(gateway: RunningGateway, upstream: RawUpstream, raw: bytes) -> None:
    upstream.begin(answering(raw, then_close=True))
    assert status_and_code(request_once(gateway)) == (502, "upstream_failed")


def test_the_log_says_why_a_response_is_invalid(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """Only this test uses the upstream of `/observed/`: an upstream logs the event at most once in ten seconds."""
    upstream.begin(
        answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", then_close=True)
    )
    with capture_logs() as lines:
        assert status_and_code(request_once(gateway, "/observed/")) == (502, "upstream_failed")
    logged = [(line["event"], line["reason"], line.get("detail")) for line in lines if "upstream" in line]
    assert logged == [("upstream_failing", "malformed", "Transfer-Encoding: 'gzip, chunked'")]
