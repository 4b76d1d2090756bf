"""Read response heads by what repeats in them, so that most heads need no parser.

The heads of a service repeat their lines, except a few such as Date, ETag and Content-Length. So a head is compared
with the shapes of earlier heads (response_head_shape.py). If it has none of them, it is split into lines, each line
is looked up, and only new lines are read one by one; then its shape is learned. For a head of eight fields with a new
ETag, the shape takes 1 us, the lines take 6, httptools and the selection of fields 20. A head equal to the latest one
takes 0.3 us.

Heads in a form that this module does not know are left to the parser, whose verdict is the same for all others
(tests/gateway/upstream_connections/test_response_head_cache.py compares them).
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from contract.identity import REFUSED_HEADER
from contract.page_session import CHANGE_HEADER
from gateway.bounded_cache import BoundedCache
from gateway.http.response_head import BODILESS, ResponseHead
from gateway.http.response_headers import client_name, sets_own_cookie
from gateway.upstream_connections.response_head_shape import HeadLine, ResponseHeadShape
from gateway.upstream_connections.response_parser import URL_FIELDS

MAX_LINES = 2_048
"""Lines in the cache of one upstream address."""

MAX_STATUS_LINES = 128

MAX_SHAPES = 8
"""Shapes of one upstream address that are compared with each head."""

MAX_EXAMPLES = 64
"""Sequences of field names whose latest lines are kept to learn a shape."""

MAX_HEAD_BYTES = 4_096
"""Longer heads are left to the parser."""

MAX_NAMES = 256
"""Field names of one upstream address whose treatment is cached."""

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([2-5][0-9]{2}) [ -~]*")
_NAME = re.compile(rb"[A-Za-z0-9-]+")
_DECIMAL = re.compile(rb"0|[1-9][0-9]{0,17}")
"""The lengths that need no parser. The parser accepts more forms, and refuses lengths over 64 bits."""
_PRINTABLE = bytes(range(0x20, 0x7F))
_FOR_THE_PARSER = frozenset(
    {
        b"proxy-connection",
        b"transfer-encoding",
        CHANGE_HEADER.lower().encode("ascii"),
        REFUSED_HEADER.lower().encode("ascii"),
        *URL_FIELDS,
    }
)
"""Fields whose meaning is more than one line of the client's response."""
_RARELY_REPEATED = frozenset({b"etag", b"last-modified", b"set-cookie", b"x-request-id"})
"""Fields whose lines are not cached. They would evict the lines that repeat, and an insertion costs 0.5 us."""
_LENGTH = b"content-length: "
_SET_COOKIE = b"set-cookie: "


class _UnknownForm(Exception):
    """The line is left to the parser."""


class _LineCache(BoundedCache[bytes, bytes]):
    """The line for the client by the line of the service; empty if the client does not receive the field."""

    def __init__(self, *, keep_cookies: bool) -> None:
        super().__init__(MAX_LINES)
        self._keep_cookies = keep_cookies
        self._rarely_repeated: BoundedCache[bytes, bytes] = BoundedCache(MAX_NAMES)
        """The start of the client's line, by the name that the service sends, of fields that rarely repeat."""

    def __missing__(self, line: bytes) -> bytes:
        raw, _, value = line.partition(b": ")
        if not value or value.translate(None, _PRINTABLE) or value.strip(b" ") != value:
            raise _UnknownForm
        start = self._rarely_repeated.get(raw)
        if start is not None:
            return b"%b%b\r\n" % (start, value) if start and self._is_kept(start, value) else b""
        return self._read_new(line, raw, value)

    def _is_kept(self, start: bytes, value: bytes) -> bool:
        return start != _SET_COOKIE or (self._keep_cookies and not sets_own_cookie(value))

    def _read_new(self, line: bytes, raw: bytes, value: bytes) -> bytes:
        lower = raw.lower()
        if (
            not _NAME.fullmatch(raw)
            or lower in _FOR_THE_PARSER
            or (lower == b"content-length" and not _DECIMAL.fullmatch(value))
            or (lower == b"connection" and value.lower() != b"keep-alive")
        ):
            raise _UnknownForm
        name = client_name(raw)
        start = name + b": " if name is not None else b""
        read = b"%b%b\r\n" % (start, value) if start and self._is_kept(start, value) else b""
        if lower in _RARELY_REPEATED:
            self._rarely_repeated[raw] = start
        else:
            self[line] = read
        return read


class _Example(NamedTuple):
    """The latest lines of heads with the same status line and field names, and the indexes of those that differ."""

    lines: Sequence[bytes]
    variable: frozenset[int]


class ResponseHeadCache:
    """Reads the heads of one upstream address. Without `keep_cookies`, Set-Cookie fields are dropped."""

    def __init__(self, *, keep_cookies: bool = False) -> None:
        self.misses = 0
        """Heads that were in no known form, since the start."""
        self._keep_cookies = keep_cookies
        self._lines = _LineCache(keep_cookies=keep_cookies)
        self._read_line = self._lines.__getitem__
        self._statuses: BoundedCache[bytes, int] = BoundedCache(MAX_STATUS_LINES)
        self._latest: ResponseHead | None = None
        self._shapes: list[ResponseHeadShape] = []
        """The shape that was learned last is first."""
        self._examples: BoundedCache[tuple[bytes, ...], _Example] = BoundedCache(MAX_EXAMPLES)

    def __len__(self) -> int:
        return len(self._lines)

    def find(self, data: bytes) -> ResponseHead | None:
        """Return the head with which `data` begins if it is whole and in a known form, otherwise None.

        Its response has a Content-Length and leaves the connection open.
        """
        latest = self._latest
        if latest is not None and data.startswith(latest.head):
            return latest
        for shape in self._shapes:
            head = shape.read(data)
            if head is not None and len(head.head) <= MAX_HEAD_BYTES:
                self._latest = head
                return head
        return self._read_lines(data)

    def _read_lines(self, data: bytes) -> ResponseHead | None:
        self.misses += 1
        end = data.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES) + 4
        if end < 4:
            return None
        lines = data[: end - 4].split(b"\r\n")
        status_line = lines.pop(0)
        status = self._statuses.get(status_line) or self._read_status(status_line)
        try:
            read = b"".join(map(self._read_line, lines))
        except _UnknownForm:
            return None
        before, found, rest = read.partition(_LENGTH)
        # A second Content-Length, or its name within a name or value, is left to the parser.
        if not status or not found or _LENGTH in rest or (before and not before.endswith(b"\n")):
            return None
        length = int(rest[: rest.index(b"\r")])
        self._learn(status, status_line, lines)
        self._latest = ResponseHead(status, length, read, data[:end])
        return self._latest

    def _learn(self, status: int, status_line: bytes, lines: Sequence[bytes]) -> None:
        """Make a shape of heads that differ in the values of some lines only."""
        names = (status_line, *(line.partition(b": ")[0] for line in lines))
        example = self._examples.get(names)
        if example is None:
            self._examples[names] = _Example(lines, frozenset())
            return
        pairs = enumerate(zip(lines, example.lines, strict=True))
        variable = example.variable | {index for index, (line, other) in pairs if line != other}
        if variable == example.variable or any(self._is_read_by_value(names[index + 1]) for index in variable):
            return
        self._examples[names] = _Example(lines, variable)
        head_lines = [HeadLine(line, self._read_line(line)) for line in lines]
        self._shapes.insert(0, ResponseHeadShape(status, status_line, head_lines, variable))
        del self._shapes[MAX_SHAPES:]

    def _is_read_by_value(self, name: bytes) -> bool:
        """Return whether the value of the field decides what the client receives, or how the response is read."""
        return name.lower() == b"connection" or (self._keep_cookies and name.lower() == b"set-cookie")

    def _read_status(self, line: bytes) -> int:
        """Return the status in `line`; 0 if the response is left to the parser."""
        match = _STATUS_LINE.fullmatch(line)
        status = int(match[1]) if match is not None else 0
        if not status or status in BODILESS:
            return 0
        self._statuses[line] = status
        return status


ResponseHeadCaches = tuple[ResponseHeadCache, ResponseHeadCache]
"""The caches of one address: for routes that drop Set-Cookie, and for routes that keep it."""
