"""A request and its response: how the response is framed, and the result of the connection after it."""

import asyncio

import pytest
from structlog.testing import capture_logs

from gateway.server.request_cycle import RequestCycle
from tests.gateway.server.in_memory import MemoryConnection


def begun(lines: bytes = b"GET / HTTP/1.1\r\nHost: h") -> tuple[MemoryConnection, RequestCycle]:
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
    connection, cycle = begun()
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
def test_the_body_is_framed(request_lines: bytes, length: int | None, end: bytes) -> None:
    """RFC 9112 6.3."""
    connection, cycle = begun(request_lines)
    send_in_parts(cycle, b"ab", b"cd", length=length)
    assert connection.transport.sent.endswith(end)
    assert cycle.complete


@pytest.mark.parametrize("length", [3, 5])
def test_a_body_that_contradicts_its_content_length_is_not_sent_to_its_end(length: int) -> None:
    _, cycle = begun()
    with pytest.raises(ValueError, match="Content-Length"):
        send_in_parts(cycle, b"ab", b"cd", length=length)
    assert not cycle.complete


def test_a_response_with_a_line_end_in_a_header_closes_the_connection() -> None:
    connection, cycle = begun()
    with capture_logs() as lines:
        assert cycle.respond(200, [(b"x", b"a\r\nset-cookie: b")], b"") == 0
    assert [line["event"] for line in lines] == ["response_not_written"]
    assert (connection.state, connection.transport.sent) == ("eof", b"")


def test_a_response_before_the_end_of_the_request_is_the_last_one() -> None:
    """The rest of the body is not read, so the next request could not be found."""
    connection, _ = begun(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9")
    connection.respond()
    assert b"\r\nconnection: close\r\n" in connection.transport.sent
    assert connection.state == "eof"


@pytest.mark.parametrize(("length", "state"), [(4, "eof"), (None, "eof")], ids=["Content-Length", "chunked"])
def test_an_incomplete_response_ends_with_the_connection(length: int | None, state: str) -> None:
    connection, cycle = begun()

    async def send() -> None:
        headers = [] if length is None else [(b"content-length", b"%d" % length)]
        await cycle.send({"type": "http.response.start", "status": 200, "headers": headers})
        await cycle.send({"type": "http.response.body", "body": b"ab", "more_body": True})
        raise RuntimeError("by chance")

    with capture_logs() as lines:
        asyncio.run(cycle.run(send()))
    assert [line["event"] for line in lines] == ["response_incomplete"]
    assert cycle.abandoned
    assert connection.state == state


def test_what_a_request_holds_is_released_once() -> None:
    _, cycle = begun()
    released: list[str] = []
    cycle.on_end = lambda: released.append("once")
    cycle.respond(200, [(b"content-length", b"0")], b"")
    cycle.abandon()
    assert released == ["once"]


def test_a_body_that_is_not_received_pauses_reading() -> None:
    connection, cycle = begun(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000")
    connection.send(b"x" * 70_000)
    assert not connection.transport.is_reading()
    message = asyncio.run(cycle.receive())
    assert (len(message["body"]), message["more_body"]) == (70_000, True)
