"""The parsed head of an upstream's response, which is reused for heads with the same bytes."""

from dataclasses import dataclass

BODILESS = frozenset({204, 304})
"""Status codes whose responses have no body and no Content-Length of their own (RFC 9110 15.3.5, 15.4.5)."""


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """The head of a response with a Content-Length; `headers` and `lines` hold the fields sent to the client."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    length: int
    """Content-Length in bytes."""
    lines: bytes
    """The fields in wire format, each line ended by CRLF."""
    head: bytes
    """The bytes as the upstream sent them, up to and including the empty line."""
