"""The head of an upstream's response, as it is sent to the client."""

from typing import NamedTuple

BODILESS = frozenset({204, 304})
"""Status codes whose responses have no body and no Content-Length of their own (RFC 9110 15.3.5, 15.4.5)."""


class ResponseHead(NamedTuple):
    """The head of a response with a Content-Length."""

    status: int
    length: int
    """Content-Length in bytes."""
    lines: bytes
    """The fields for the client in wire format: names in lower case, each line ended by CRLF."""
    head: bytes
    """The bytes as the upstream sent them, up to and including the empty line."""

    def fields(self) -> list[tuple[bytes, bytes]]:
        """Return the fields in `lines` as names and values."""
        pairs = (line.partition(b": ") for line in self.lines.split(b"\r\n")[:-1])
        return [(name, value) for name, _, value in pairs]
