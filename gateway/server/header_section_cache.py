"""Cache of parsed header sections. The key is the bytes of a section without its credentials and Content-Length.

The requests of an app differ in their targets, but most of them repeat the header fields: those of one client, and
those of many clients with the same software. A section whose bytes are cached is not parsed again. The values that
differ between requests are removed before the look-up and are checked for each request. Figures:
docs/decisions/0030.
"""

from typing import NamedTuple

from gateway.bounded_cache import BoundedCache
from gateway.http.request import HeaderSection, KnownFields, Request

MAX_ENTRIES = 4_096
"""Maximum number of cached sections, and of remembered hashes of sections that were received once."""

MAX_SECTION_BYTES = 4_096
"""A larger section is not cached."""

_TOKEN68 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/"
"""Characters of a token (RFC 6750 2.1). A request whose token has padding (`=`) is always parsed."""


class _CutField(NamedTuple):
    """A field whose value is not part of the key."""

    name: bytes
    line_starts: tuple[bytes, ...]
    """The start of its line, as most clients write it; other spellings stay in the key and are not cached."""
    characters: bytes
    """The characters of its value. A request whose value is empty, or has others, is always parsed."""
    prefix: bytes = b""
    """The part of its value that stays in the key."""


def _cut_field(name: str, characters: bytes, prefix: str = "") -> _CutField:
    starts = tuple(f"\r\n{form}: {prefix}".encode() for form in (name.title(), name))
    return _CutField(name.encode(), starts, characters, prefix.encode())


_TOKEN = _cut_field("authorization", _TOKEN68, "Bearer ")
_COOKIE = _cut_field("cookie", bytes(range(0x20, 0x7F)))
_REFRESH_TOKEN = _cut_field("x-refresh-token", _TOKEN68)
_CONTENT_LENGTH = _cut_field("content-length", b"0123456789")
_CUT_FIELDS = {field.name: field for field in (_TOKEN, _COOKIE, _REFRESH_TOKEN, _CONTENT_LENGTH)}
_NOT_CACHED = frozenset({b"expect", b"transfer-encoding"})
_MAX_DIGITS = 18


class _Entry(NamedTuple):
    """A cached section, and the indexes of its cut fields."""

    section: HeaderSection
    cut: tuple[tuple[int, _CutField], ...]


class HeaderSectionCache:
    """The cached header sections of one worker.

    A section is cached when it is received for the second time, so a section that is received once costs only a hash.
    """

    def __init__(self) -> None:
        self._entries: BoundedCache[bytes, _Entry] = BoundedCache(MAX_ENTRIES)
        self._seen_once: BoundedCache[int, None] = BoundedCache(MAX_ENTRIES)

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, section: bytes) -> KnownFields | None:
        """Return the header fields in `section` if it is cached, otherwise None.

        `section` begins with the line end of the request line and ends with the empty line.
        """
        if len(section) > MAX_SECTION_BYTES:
            return None
        key, token = _cut(section, _TOKEN)
        values = {b"authorization": token}
        entry = self._entries.get(key)
        if entry is None:  # the other fields are rare in a GET with a token, and each search takes 0.1 us
            key = _cut_all(key, values)
            entry = self._entries.get(key)
            if entry is None:
                return None
        headers = list(entry.section.headers)
        for index, (name, _, characters, prefix) in entry.cut:
            value = values.get(name)
            if not value or value.translate(None, characters) or value.strip(b" ") != value:
                return None
            headers[index] = (name, prefix + value)
        length = values.get(b"content-length")
        if length and len(length) > _MAX_DIGITS:
            return None
        refresh_token = values.get(b"x-refresh-token")
        return KnownFields(
            entry.section,
            headers,
            int(length) if length else None,
            token.decode("ascii"),
            refresh_token.decode("ascii") if refresh_token else None,
            values.get(b"cookie", b""),
        )

    def add_if_repeated(self, section: bytes, request: Request) -> None:
        """Cache `section` if it was received before. `request` is the whole request that was parsed from it.

        The request leaves the connection open. Its target is in origin-form, so its header fields are those of the
        section.
        """
        if len(section) > MAX_SECTION_BYTES or any(name in _NOT_CACHED for name, _ in request.headers):
            return
        key, token = _cut(section, _TOKEN)
        values = {b"authorization": token}
        key = _cut_all(key, values)
        key_hash = hash(key)
        if key_hash not in self._seen_once:
            self._seen_once[key_hash] = None
            return
        cut = tuple(
            (index, _CUT_FIELDS[name]) for index, (name, _) in enumerate(request.headers) if name in _CUT_FIELDS
        )
        received = [value for name, value in request.headers if name in _CUT_FIELDS]
        if received != [field.prefix + values.get(field.name, b"") for _, field in cut]:
            return  # the key still contains a value: a repeated field, or an unusual form
        headers = tuple((name, b"" if name in _CUT_FIELDS else value) for name, value in request.headers)
        origin = next((value.decode("latin-1") for name, value in headers if name == b"origin"), None)
        self._entries[key] = _Entry(HeaderSection(headers, origin), cut)


def _cut_all(key: bytes, values: dict[bytes, bytes]) -> bytes:
    """Cut all fields but the token out of `key`. Return the rest; add the values to `values`."""
    for field in (_COOKIE, _REFRESH_TOKEN, _CONTENT_LENGTH):
        key, values[field.name] = _cut(key, field)
    return key


def _cut(section: bytes, field: _CutField) -> tuple[bytes, bytes]:
    """Return `section` without the value of `field`, and that value; empty if there is none."""
    for line_start in field.line_starts:
        at = section.find(line_start)
        if at >= 0:
            start = at + len(line_start)
            end = section.find(b"\r", start)
            return section[:start] + section[end:], section[start:end]
    return section, b""
