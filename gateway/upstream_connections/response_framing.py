"""Decides how the end of an upstream's answer is found, and refuses answers that two readers could end differently.

RFC 9112 6.1 and 6.3. The gateway reads one transfer coding, `chunked`, alone and once: handing on a body with another
coding would give the client bytes that are not what its header says.
"""

from collections.abc import Iterable
from dataclasses import dataclass

_VERSIONS = frozenset({"1.0", "1.1"})


class BadFraming(Exception):
    """The answer cannot be read; the text says why."""


@dataclass(frozen=True, slots=True)
class AnswerFraming:
    """How long an answer's body is: `content_length` bytes, as chunks say (None), or until the connection ends."""

    content_length: int | None = None
    ends_at_eof: bool = False


def read_framing(headers: Iterable[tuple[bytes, bytes]], http_version: str) -> AnswerFraming:
    """The framing that `headers`, as the upstream sent them, describe. Raises BadFraming."""
    if http_version not in _VERSIONS:
        raise BadFraming(f"HTTP/{http_version}")
    lengths: list[bytes] = []
    codings: list[bytes] = []
    for name, value in headers:
        lower = name.lower()
        if lower == b"content-length":
            lengths.append(value)
        elif lower == b"transfer-encoding":
            codings.append(value.strip(b" \t").lower())
    if not codings:
        return AnswerFraming(_length(lengths), ends_at_eof=not lengths)
    if codings != [b"chunked"]:
        raise BadFraming(f"Transfer-Encoding: {_shown(codings)}")
    if lengths:
        raise BadFraming("Content-Length beside Transfer-Encoding")
    if http_version == "1.0":
        raise BadFraming("Transfer-Encoding in HTTP/1.0")
    return AnswerFraming()


def _length(values: list[bytes]) -> int | None:
    if not values:
        return None
    value = values[0].strip(b" \t")
    if len(values) > 1 or not value.isdigit():
        raise BadFraming(f"Content-Length: {_shown(values)}")
    return int(value)


def _shown(values: list[bytes]) -> str:
    return ascii(b", ".join(values)[:64].decode("latin-1"))
