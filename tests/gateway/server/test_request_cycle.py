"""A request and its response: how the response is framed, and when the connection closes after it."""

import asyncio

import pytest
from structlog.testing import capture_logs

from gateway.server.request_cycle import RequestCycle
from tests.gateway.server.in_memory import MemoryConnection


def begin_request(lines: bytes = b"GET / HTTP/1.1\r\nHost: h") -> tuple[MemoryConnection, RequestCycle]:
    connection = MemoryConnection()
    connection.send(lines + b"\r\n\r\n")
    (cycle,) = connection.app.cycles
    return connection, cycle


def send_in_parts(cycle: RequestCycle, *parts: bytes, length: int | None = None) -> None:
    """Send a response in ASGI messages, the last of `parts` as its end."""
    headers = [] if length is None else [(b"content-length", b"%d" % length)]

    async def send() -> None:
        await cycle.send({"type": "http.response.start", "status": 200, "headers": headers})
        for number, part in enumerate(parts, 1):
            await cycle.send({"type": "http.response.body", "body": part, "more_body": number < len(parts)})

    asyncio.run(send())


def test_the_head_is_sent_with_the_first_part_of_the_body() -> None:
    connection, cycle = begin_request()
    asyncio.run(cycle.send({"type": "http.response.start", "status": 200}))
    assert connection.transport.sent == b""
    asyncio.run(cycle.send({"type": "http.response.body", "body": b"ok", "more_body": True}))
    assert connection.transport.sent.endswith(b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n")


@pytest.mark.parametrize(
    ("request_lines", "length", "end"),
    [
        (b"GET / HTTP/1.1\r\nHost: h", 4, b"\r\n\r\nabcd"),
        (b"GET / HTTP/1.1\r\nHost: h", None, b"\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n"),
        (b"GET / HTTP/1.0", None, b"connection: close\r\n\r\nabcd"),
        (b"HEAD / HTTP/1.1\r\nHost: h", 4, b"content-length: 4\r\nx-request-id: id\r\n\r\n"),
    ],
    ids=["Content-Length", "chunked", "end of the connection", "HEAD"],
)
def test_the_end_of_the_body_is_marked(request_lines: bytes, length: int | None, end: bytes) -> None:
    """RFC 9112 6.3."""
    connection, cycle = begin_request(request_lines)
    send_in_parts(cycle, b"ab", b"cd", length=length)
    assert connection.transport.sent.endswith(end)
    assert cycle.complete


@pytest.mark.parametrize("length", [3, 5])
def test_a_body_that_contradicts_its_content_length_is_not_completed(length: int) -> None:
    connection, cycle = begin_request()
    with pytest.raises(ValueError, match="Content-Length"):
        send_in_parts(cycle, b"ab", b"cd", length=length)
    assert not cycle.complete
    assert connection.transport.sent.endswith(b"\r\n\r\nab")


def test_a_response_with_a_line_end_in_a_header_closes_the_connection() -> None:
    connection, cycle = begin_request()
    with capture_logs() as lines:
        assert cycle.respond(200, [(b"x", b"a\r\nset-cookie: b")], b"") == 0
    assert [line["event"] for line in lines] == ["response_not_written"]
    assert (connection.state, connection.transport.sent) == ("eof", b"")


def test_a_response_before_the_end_of_the_request_is_the_last_one() -> None:
    """The gateway does not read the rest of the body, so it cannot parse a next request."""
    connection, _ = begin_request(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9")
    connection.respond()
    assert b"\r\nconnection: close\r\n" in connection.transport.sent
    assert connection.state == "eof"


@pytest.mark.parametrize("length", [4, None], ids=["Content-Length", "chunked"])
def test_an_incomplete_response_closes_the_connection_and_is_logged(length: int | None) -> None:
    connection, cycle = begin_request()

    async def send() -> None:
        headers = [] if length is None else [(b"content-length", b"%d" % length)]
        await cycle.send({"type": "http.response.start", "status": 200, "headers": headers})
        await cycle.send({"type": "http.response.body", "body": b"ab", "more_body": True})
        raise RuntimeError("a failure of the test")

    with capture_logs() as lines:
        asyncio.run(cycle.run(send()))
    assert [line["event"] for line in lines] == ["response_incomplete"]
    assert cycle.abandoned
    assert connection.state == "eof"


def test_the_resources_of_a_request_are_released_once() -> None:
    _, cycle = begin_request()
    released: list[str] = []
    cycle.on_end = lambda: released.append("once")
    cycle.respond(200, [(b"content-length", b"0")], b"")
    cycle.abandon()
    assert released == ["once"]


def test_reading_pauses_when_too_much_of_a_body_is_buffered() -> None:
    connection, cycle = begin_request(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000")
    connection.send(b"x" * 70_000)
    assert not connection.transport.is_reading()
    message = asyncio.run(cycle.receive())
    assert (len(message["body"]), message["more_body"]) == (70_000, True)
