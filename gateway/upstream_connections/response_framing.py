"""Response framing: determine the length of an upstream's response body (RFC 9112 6.1 and 6.3).

A response that two parsers could frame differently is rejected. The only accepted Transfer-Encoding is a single
`chunked`: any other coding would stay in the body, but the client would get no field that names it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

_VERSIONS = frozenset({"1.0", "1.1"})


class InvalidFraming(Exception):
    """The response cannot be framed; the text says why."""


@dataclass(frozen=True, slots=True)
class ResponseFraming:
    """The framing of a body: `content_length` bytes, or all bytes until the connection ends, or else chunked."""

    content_length: int | None = None
    ends_at_eof: bool = False


def read_framing(headers: Iterable[tuple[bytes, bytes]], http_version: str) -> ResponseFraming:
    """Return the framing of a response with these header fields. Raises InvalidFraming."""
    if http_version not in _VERSIONS:
        raise InvalidFraming(f"HTTP/{http_version}")
    lengths: list[bytes] = []
    codings: list[bytes] = []
    for name, value in headers:
        lower = name.lower()
        if lower == b"content-length":
            lengths.append(value)
        elif lower == b"transfer-encoding":
            codings.append(value.strip(b" \t").lower())
    if not codings:
        return ResponseFraming(_content_length(lengths), ends_at_eof=not lengths)
    if codings != [b"chunked"]:
        raise InvalidFraming(f"Transfer-Encoding: {_quoted(codings)}")
    if lengths:
        raise InvalidFraming("Content-Length beside Transfer-Encoding")
    if http_version == "1.0":
        raise InvalidFraming("Transfer-Encoding in HTTP/1.0")
    return ResponseFraming()


def _content_length(values: list[bytes]) -> int | None:
    if not values:
        return None
    value = values[0].strip(b" \t")
    if len(values) > 1 or not value.isdigit():
        raise InvalidFraming(f"Content-Length: {_quoted(values)}")
    return int(value)


def _quoted(values: list[bytes]) -> str:
    return ascii(b", ".join(values)[:64].decode("latin-1"))
