"""Hostile requests: bodies that are not JSON, JSON of the wrong type, and hostile strings in every field.

`bodies()` returns several thousand bodies, `queries_and_headers()` as many queries and headers.
"""

import json
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote

from tests.hostile_input.documents import CONTENT_TYPES, RAW, VALUES
from tests.hostile_input.strings import STRINGS

JSON = "application/json"

FIELDS = (
    *("email", "password", "new_password", "current_password", "first_name", "last_name", "refresh", "token", "uid"),
    *("title", "body", "roles", "handle_hash", "device", "address", "id", "seen"),
)
"""The JSON members of all endpoints."""

VALID = {
    "email": "ann@example.org",
    "password": "Tr0ub4dor&3x",
    "new_password": "Tr0ub4dor&3x!",
    "current_password": "Tr0ub4dor&3x",
    "title": "A title",
    "body": "A body",
}


class Body(NamedTuple):
    """A request body with its media type."""

    name: str
    content_type: str
    data: bytes


class QueryOrHeader(NamedTuple):
    """A hostile string in a query or in a header; the other of the two is empty."""

    name: str
    query: str
    headers: dict[str, str]


QUERY = ("page", "page_size", "q", "owner", "last_event_id", "ticket", "")
"""Query parameters of all endpoints; no endpoint reads the last one."""
HEADERS = (
    *("Accept", "Accept-Language", "Authorization", "Cookie", "Forwarded", "If-None-Match", "Last-Event-ID"),
    *("Origin", "Traceparent", "User-Agent", "X-Forwarded-For", "X-Identity", "X-Peer", "X-Refresh-Token"),
    *("X-Request-Id", "X-Requested-With"),
)


_NO_LINE_ENDS = dict.fromkeys(map(ord, "\0\r\n"))


def bodies() -> list[Body]:
    """Return all hostile request bodies."""
    return [*_raw(), *_values(), *_strings(), *_content_types()]


def queries_and_headers() -> list[QueryOrHeader]:
    """Return each hostile string in each query parameter and in each header; headers have no line ends."""
    return [*_queries(), *_headers()]


def _queries() -> Iterator[QueryOrHeader]:
    for text in STRINGS:
        value = quote(text[:1_000], safe="", errors="surrogatepass")
        for name in QUERY:
            yield QueryOrHeader(f"?{name}={text[:40]!r}", f"{name}={value}" if name else value, {})


def _headers() -> Iterator[QueryOrHeader]:
    seen = set()
    for text in STRINGS:
        value = text[:1_000].translate(_NO_LINE_ENDS).encode("utf-8", "surrogatepass").decode("latin-1").strip()
        if value and value not in seen:
            seen.add(value)
            yield from (QueryOrHeader(f"{name}: {value[:40]!r}", "", {name: value}) for name in HEADERS)


def _raw() -> Iterator[Body]:
    for name, data in RAW.items():
        yield Body(name, JSON, data)


def _values() -> Iterator[Body]:
    for value in VALUES:
        yield Body(f"alone {value[:40]!r}", JSON, _encoded(value))
        for field in FIELDS:
            yield Body(f"{field} {value[:40]!r}", JSON, _with(field, value))


def _strings() -> Iterator[Body]:
    for text in STRINGS:
        all_fields = dict.fromkeys(FIELDS, text)
        yield Body(f"every field {text[:40]!r}", JSON, json.dumps(all_fields).encode())
        for field in FIELDS:
            escape = len(text) % 2 == 0  # about half with escapes such as \u00e9, the rest as UTF-8
            yield Body(f"{field} {text[:40]!r}", JSON, _with(field, json.dumps(text, ensure_ascii=escape)))


def _content_types() -> Iterator[Body]:
    for content_type in CONTENT_TYPES:
        for data in (json.dumps(VALID).encode(), b"email=a", b"", b"\xff\0"):
            yield Body(f"as {content_type[:40]!r} {data[:9]!r}", content_type, data)


def _with(field: str, text: str) -> bytes:
    others = ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in VALID.items() if name != field)
    return _encoded(f"{{{json.dumps(field)}:{text},{others}}}")


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
