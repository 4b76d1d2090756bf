"""Generate thousands of requests that two parsers could frame differently (request smuggling), by family.

The families follow published collections (gunicorn's invalid requests, llhttp's tests, papers on desync attacks),
and are written from RFC 9112. In every case NUMBER is replaced by the number of the case, with as many digits.
"""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from tests.gateway.smuggling.framing_mutations import CHUNKS, CODINGS, ENDS, LENGTHS
from tests.gateway.smuggling.head_mutations import BEFORE, FIELDS, REQUEST_LINES

NUMBER = "NNNNN"
OUTER, INNER, CANARY = f"/public/{NUMBER}", f"/public/{NUMBER}/inner", f"/public/{NUMBER}/canary"
"""Paths of the request of a case, of the request in its last bytes, and of a valid request that tests send next.

Whether the inner request is part of the outer one's body depends on how a parser frames the outer one.
"""

_INNER = f"GET {INNER} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
_HOST = b"Host: h\r\n"
_POST = f"POST {OUTER} HTTP/1.1\r\n".encode() + _HOST
_GET = f"GET {OUTER} HTTP/1.1\r\n".encode() + _HOST
_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n\r\n"
_END = b"0\r\n\r\n"


class Case(NamedTuple):
    """The bytes of a request and the bytes after it on the connection."""

    name: str
    raw: bytes


BODIES = {"a chunk": b"5\r\nhello\r\n" + _END, "no chunk": _END, "an open chunk": b"40\r\nhello", "no end": b""}


def families() -> dict[str, list[Case]]:
    """Return every case by family."""
    generated = {
        "length and coding": _lengths_and_codings(),
        "length": _lengths(),
        "coding": _codings(),
        "chunk": _chunks(),
        "end": _ends(),
        "field": _fields(),
        "request line": _request_lines(),
        "before": _before(),
    }
    return {name: list(cases) for name, cases in generated.items()}


def _length_line(form: bytes, length: int) -> bytes:
    """Return the line with `length` in place of each conversion such as %d, of which a form may have none."""
    fields = form.replace(b"%%", b"").count(b"%")
    return form % ((length,) * fields) + b"\r\n"


def _lengths_and_codings() -> Iterator[Case]:
    for length, coding, coding_first, body in product(LENGTHS, CODINGS, (False, True), ("a chunk", "no chunk")):
        content = BODIES[body] + _INNER
        lines = [_length_line(length, len(BODIES[body])), coding + b"\r\n"]
        head = b"".join(reversed(lines) if coding_first else lines)
        yield Case(f"{length!r} {coding!r} {coding_first} {body}", _POST + head + b"\r\n" + content)


def _lengths() -> Iterator[Case]:
    for length, start, size in product(LENGTHS, (_POST, _GET), (0, 5, 5 + len(_INNER))):
        yield Case(f"{length!r} {start[:4]!r} {size}", start + _length_line(length, size) + b"\r\nhello" + _INNER)


def _codings() -> Iterator[Case]:
    for coding, start, body, version in product(CODINGS, (_POST, _GET), BODIES, (b"1.1", b"1.0")):
        head = start.replace(b"HTTP/1.1", b"HTTP/" + version) + coding + b"\r\n\r\n"
        yield Case(f"{coding!r} {start[:4]!r} {body} {version!r}", head + BODIES[body] + _INNER)


def _chunks() -> Iterator[Case]:
    for chunk, before, end in product(CHUNKS, (b"", b"1\r\na\r\n"), (_END, b"0\r\nX: y\r\n\r\n", b"")):
        yield Case(f"{chunk!r} {before!r} {end!r}", _CHUNKED + before + chunk + end + _INNER)


def _ends() -> Iterator[Case]:
    for end, before in product(ENDS, (b"", b"5\r\nhello\r\n")):
        yield Case(f"{before!r} {end!r}", _CHUNKED + before + end + _INNER)


def _fields() -> Iterator[Case]:
    for line, first, start in product(FIELDS, (False, True), (_GET, _POST + b"Content-Length: 5\r\n")):
        head = start.replace(_HOST, line + b"\r\n" + _HOST) if first else start + line + b"\r\n"
        body = b"" if start is _GET else b"hello"
        yield Case(f"{line!r} {first} {start[:4]!r}", head + b"\r\n" + body + _INNER)


def _request_lines() -> Iterator[Case]:
    for line, end, rest in product(
        REQUEST_LINES, (b"\r\n", b"\n", b"\r"), (_HOST + b"\r\n", _HOST + b"Content-Length: 5\r\n\r\nhello")
    ):
        yield Case(f"{line!r} {end!r} {len(rest)}", line.format(OUTER).encode("latin-1") + end + rest + _INNER)


def _before() -> Iterator[Case]:
    for before, between in product(BEFORE, BEFORE):
        yield Case(f"{before!r} {between!r}", before + _POST + b"Content-Length: 5\r\n\r\nhello" + between + _INNER)
