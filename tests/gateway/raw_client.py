"""A client that sends exactly the bytes of a test, and parses responses strictly."""

import json
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import h11

from tests.gateway.raw_upstream import WAIT, limit_buffers


@dataclass(frozen=True, slots=True)
class RawResponse:
    """A response as h11 parses it; `is_complete` is False if the connection ended within the body."""

    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes
    is_complete: bool = True

    def get(self, name: str) -> str | None:
        """Return the one value of the field `name`, or None."""
        values = [value for field_name, value in self.fields if field_name == name.lower()]
        assert len(values) < 2, f"there are {len(values)} fields {name}"
        return values[0] if values else None

    def get_all(self, name: str) -> list[str]:
        """Return every value of the field `name`."""
        return [value for field_name, value in self.fields if field_name == name.lower()]

    @property
    def problem(self) -> dict[str, Any]:
        """Return the problem details, which must be complete and valid."""
        assert self.get("content-type") == "application/problem+json", self
        members: dict[str, Any] = json.loads(self.body)
        assert {"type", "title", "status", "detail", "code", "request_id"} <= members.keys()
        assert members["status"] == self.status
        return members


class RawClient:
    """One connection to a server."""

    def __init__(self, port: int, source: str = "") -> None:
        self.socket = socket.socket()
        limit_buffers(self.socket)
        self.socket.settimeout(WAIT)
        try:
            if source:
                self.socket.bind((source, 0))
            self.socket.connect(("127.0.0.1", port))
        except OSError:
            self.socket.close()
            raise
        self._received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send `data`."""
        self.socket.sendall(data)

    def request(self, *lines: str, body: bytes = b"", method: str = "") -> RawResponse:
        """Send a request with these lines, unchanged, and return its response."""
        self.send("\r\n".join((*lines, "", "")).encode("latin-1") + body)
        return self.read_response(method or lines[0].split(" ", 1)[0])

    def read_response(self, method: str = "GET") -> RawResponse:
        """Read one final response to a request of `method`. Raises ConnectionError if there is none."""
        reader = _reader(method)
        if self._received:  # h11 takes empty data for the end of the connection
            reader.receive_data(self._received)
        status, body = 0, bytearray()
        fields: tuple[tuple[str, str], ...] = ()
        while True:
            event = _next(reader)
            if event is h11.NEED_DATA:
                self._feed(reader, started=bool(status))
            elif isinstance(event, h11.Response):
                status, fields = event.status_code, _texts(event)
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                self._received = reader.trailing_data[0]
                return RawResponse(status, fields, bytes(body))
            elif event is None:
                return RawResponse(status, fields, bytes(body), is_complete=False)

    def read_interim(self) -> bytes:
        """Return what is received up to and including the next empty line."""
        while b"\r\n\r\n" not in self._received:
            data = self.socket.recv(65_536)
            assert data, "the connection was closed"
            self._received += data
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        return head + b"\r\n\r\n"

    def read(self, size: int) -> bytes:
        """Receive exactly `size` bytes."""
        while len(self._received) < size:
            data = self.socket.recv(size - len(self._received))
            assert data, "the connection was closed"
            self._received += data
        data, self._received = self._received[:size], self._received[size:]
        return data

    def read_to_end(self) -> bytes:
        """Return what is received until the server closes. Raises ConnectionResetError if it resets."""
        received, self._received = self._received, b""
        while data := self.socket.recv(65_536):
            received += data
        return received

    def is_closed(self) -> bool:
        """Return whether the server closes or resets the connection without sending more."""
        try:
            return self.read_to_end() == b""
        except ConnectionResetError:
            return True

    def _feed(self, reader: h11.Connection, *, started: bool) -> None:
        try:
            data = self.socket.recv(65_536)
        except ConnectionResetError:
            data = b""
        if not data and not started:
            raise ConnectionError("the server closed the connection without a response")
        reader.receive_data(data)


def single_request(port: int, *lines: str, body: bytes = b"") -> RawResponse:
    """Return the response to one request on a new connection."""
    with RawClient(port) as client:
        return client.request(*lines, body=body)


def _reader(method: str) -> h11.Connection:
    reader = h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method=method, target="/", headers=[("Host", "any")]))
    reader.send(h11.EndOfMessage())
    return reader


def _next(reader: h11.Connection) -> Any:
    try:
        return reader.next_event()
    except h11.RemoteProtocolError:
        if reader.their_state is h11.ERROR and reader.trailing_data[1]:
            return None  # it ends within a body
        raise


def _texts(response: h11.Response) -> tuple[tuple[str, str], ...]:
    return tuple((name.decode(), value.decode("latin-1")) for name, value in response.headers)
