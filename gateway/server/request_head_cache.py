"""Cache of parsed request heads: header sections by their bytes, and targets by request lines.

The requests of an app differ in their targets, but most of them repeat the header fields: those of one client, and
those of many clients with the same software. A section whose bytes are cached is not parsed again. The values that
differ between requests (credentials, Content-Length, traceparent, If-None-Match) are removed before the look-up and
checked for each request. A client that repeats its section with its access token is recognized by all of its bytes:
then nothing has to be removed or checked. Figures: docs/decisions/0030.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from contract.credentials import token_digest
from gateway.bounded_cache import BoundedCache, Doorkeeper
from gateway.http.request import HeaderSection, KnownFields, Request, RequestTarget
from gateway.http.request_limits import DEFAULT_LIMITS, RequestLimits

MAX_SECTIONS = 4_096
"""Maximum number of cached sections."""

MAX_WHOLE_SECTIONS = 4_096
"""Maximum number of sections that are cached with their values. One takes about 3 KB with a token of 650 bytes."""

MAX_SECTION_BYTES = 4_096
"""A larger section is not cached; nor is one that could exceed the limits on header sections."""

MAX_TARGETS = 4_096
"""Maximum number of cached targets."""

MAX_LINE_BYTES = 512
"""The target of a longer request line is not cached."""

_METHODS = {name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")}
_REQUEST_LINE = re.compile(
    rb"(%b) (/[\x21\x22\x24-\x3e\x40-\x7e]*)(?:\?([\x21\x22\x24-\x7e]*))? HTTP/1\.1" % b"|".join(_METHODS)
)
"""The request lines that need no parser: a target in origin-form, of characters that the parser accepts."""

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
_PRINTABLE = bytes(range(0x20, 0x7F))
_COOKIE = _cut_field("cookie", _PRINTABLE)
_REFRESH_TOKEN = _cut_field("x-refresh-token", _TOKEN68)
_CONTENT_LENGTH = _cut_field("content-length", b"0123456789")
_TRACEPARENT = _cut_field("traceparent", b"0123456789abcdef-")
_IF_NONE_MATCH = _cut_field("if-none-match", _PRINTABLE)
_OTHER_FIELDS = (_COOKIE, _REFRESH_TOKEN, _CONTENT_LENGTH, _TRACEPARENT, _IF_NONE_MATCH)
_CUT_FIELDS = {field.name: field for field in (_TOKEN, *_OTHER_FIELDS)}
_NOT_CACHED = frozenset({b"expect", b"transfer-encoding"})
_MAX_DIGITS = 18


_new_tuple = tuple.__new__
"""Makes a named tuple in 0.15 us; its constructor takes 0.28."""


class _Entry(NamedTuple):
    """A cached section, and the indexes of its cut fields."""

    section: HeaderSection
    cut: tuple[tuple[int, _CutField], ...]

    def with_token(self, token: bytes) -> KnownFields | None:
        """Return the fields of a request with `token` and without other values; None if it has to be parsed."""
        if len(self.cut) != 1:
            return self.with_values({b"authorization": token})
        if not token or token.translate(None, _TOKEN68):
            return None
        index, _ = self.cut[0]
        headers = list(self.section.headers)
        headers[index] = (b"authorization", b"Bearer " + token)
        text, digest = token.decode("ascii"), token_digest(token)
        return _new_tuple(KnownFields, (self.section, headers, None, text, digest, None, b"", b"", b""))

    def with_values(self, values: Mapping[bytes, bytes]) -> KnownFields | None:
        """Return the fields of a request with `values`, by field name; None if it has to be parsed."""
        headers = list(self.section.headers)
        for index, (name, _, characters, prefix) in self.cut:
            value = values.get(name)
            if not value or value.translate(None, characters) or value.strip(b" ") != value:
                return None
            headers[index] = (name, prefix + value)
        length = values.get(b"content-length")
        if length and len(length) > _MAX_DIGITS:
            return None
        token, refresh_token = values[b"authorization"], values.get(b"x-refresh-token")
        return KnownFields(
            self.section,
            headers,
            int(length) if length else None,
            token.decode("ascii"),
            token_digest(token) if token else b"",
            refresh_token.decode("ascii") if refresh_token else None,
            values.get(b"cookie", b""),
            values.get(b"traceparent", b""),
            values.get(b"if-none-match", b""),
        )


class RequestHeadCache:
    """The cached request heads of one worker.

    A section or target is cached when it comes for the second time. If it comes only once, it costs only a hash.
    """

    def __init__(self, limits: RequestLimits = DEFAULT_LIMITS) -> None:
        # The pipeline does not measure a cached section again, but each request has its own cut values. The limit
        # counts a space after each colon, also where there is none.
        self._max_section_bytes = min(MAX_SECTION_BYTES, limits.header_bytes - limits.header_fields)
        self._sections: BoundedCache[bytes, _Entry] = BoundedCache(MAX_SECTIONS)
        self._seen_sections = Doorkeeper(MAX_SECTIONS)
        self._whole_sections: BoundedCache[bytes, KnownFields] = BoundedCache(MAX_WHOLE_SECTIONS)
        self._seen_whole_sections = Doorkeeper(MAX_WHOLE_SECTIONS)
        self._targets: BoundedCache[bytes, RequestTarget] = BoundedCache(MAX_TARGETS)
        self._seen_lines = Doorkeeper(MAX_TARGETS)
        self.sections_found = 0
        """How often a section was recognized."""
        self.whole_sections_found = 0
        """How often it was recognized by all of its bytes."""

    def __len__(self) -> int:
        return len(self._sections) + len(self._whole_sections)

    def read_line(self, line: bytes) -> RequestTarget | None:
        """Return the method and target in a request line, without its line end; None if it has to be parsed."""
        target = self._targets.get(line)
        if target is None:
            match = _REQUEST_LINE.fullmatch(line)
            if match is None:
                return None
            method, path, query = match.groups(b"")
            is_repeated = (
                len(line) <= MAX_LINE_BYTES
                and self._seen_lines.came_before(line)
                and b"ticket=" not in query  # a ticket is a credential
            )
            target = _new_tuple(RequestTarget, (_METHODS[method], path, query, is_repeated))
            if is_repeated:
                self._targets[line] = target
        return target

    def find_fields(self, section: bytes) -> KnownFields | None:
        """Return the header fields in `section` if it is cached, otherwise None.

        `section` begins with the line end of the request line and ends with the empty line.
        """
        fields = self._whole_sections.get(section)
        if fields is not None:
            self.whole_sections_found += 1
        elif len(section) <= self._max_section_bytes:
            fields = self._find_by_key(section)
            # Cookies and refresh tokens are valid for weeks: they are not kept in memory to save 3 us.
            is_kept = fields is not None and not fields.cookies and fields.refresh_token is None
            if fields is not None and is_kept and self._seen_whole_sections.came_before(section):
                self._whole_sections[section] = fields
        if fields is not None:
            self.sections_found += 1
        return fields

    def _find_by_key(self, section: bytes) -> KnownFields | None:
        key, token = _cut(section, _TOKEN)
        entry = self._sections.get(key)
        if entry is None:  # the other fields are rare in a GET with a token, and each search takes 0.1 us
            values = {b"authorization": token}
            entry = self._sections.get(_cut_all(key, values))
            return entry.with_values(values) if entry is not None else None
        return entry.with_token(token)

    def add_if_repeated(self, section: bytes, request: Request) -> None:
        """Cache `section` if it was received before. `request` is the whole request that was parsed from it.

        The request leaves the connection open. Its target is in origin-form, so its header fields are those of the
        section.
        """
        if len(section) > self._max_section_bytes or any(name in _NOT_CACHED for name, _ in request.headers):
            return
        key, token = _cut(section, _TOKEN)
        values = {b"authorization": token}
        key = _cut_all(key, values)
        if not self._seen_sections.came_before(key):
            return
        cut = tuple(
            (index, _CUT_FIELDS[name]) for index, (name, _) in enumerate(request.headers) if name in _CUT_FIELDS
        )
        received = [value for name, value in request.headers if name in _CUT_FIELDS]
        names = {field.name for _, field in cut}
        if len(names) < len(cut) or received != [field.prefix + values[field.name] for _, field in cut]:
            return  # the key still contains a value: of a repeated field, or in an unusual form
        headers = tuple((name, b"" if name in _CUT_FIELDS else value) for name, value in request.headers)
        origin = next((value.decode("latin-1") for name, value in headers if name == b"origin"), None)
        self._sections[key] = _Entry(HeaderSection(headers, origin), cut)


def _cut_all(key: bytes, values: dict[bytes, bytes]) -> bytes:
    """Cut all fields but the token out of `key`. Return the rest; add the values to `values`."""
    for field in _OTHER_FIELDS:
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
