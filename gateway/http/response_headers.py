"""Decides which header fields of an upstream's answer reach the client.

Names are looked up in a table that learns them, so a known name costs one look-up.
"""

import re
from collections.abc import Iterable, Mapping

import structlog

from gateway.http import default_response_headers
from gateway.http.header_fields import (
    HOP_BY_HOP,
    MAX_CACHED_NAME_BYTES,
    MAX_CACHED_NAMES,
    TOKEN,
    is_plain,
    list_elements,
    normalized_name,
)

Fields = Iterable[tuple[bytes, bytes]]

_log = structlog.get_logger("answer_headers")

# By these a service tells the proxy in front of it to send a file or to ask elsewhere. That proxy is the gateway,
# which does neither; nginx in front of it would obey, and a client would learn the file's name.
_TO_THE_NEXT_PROXY = ("x-accel-redirect", "x-lighttpd-send-file", "x-reproxy-url", "x-sendfile", "x-sendfile2")

_ANSWERS_STAY = frozenset(
    name.encode("ascii")
    for name in (
        *HOP_BY_HOP,
        *default_response_headers.NAMES,
        *_TO_THE_NEXT_PROXY,
        "date",
        "server",
        "x-access-token",
        "x-identity",
        "x-identity-refused",
        "x-peer",
        "x-refresh-token",
        "x-request-id",
    )
)


_ANSWERS_STAY_PREFIXES = (
    b"access-control-",  # gateway/pipeline/cors.py alone says who may read an answer
    b"x-user-",
    b"x-session-",
)


# Framing says how long a body is, and cookies are the services' to set.
_NO_ROUTES_OWN = frozenset({b"content-length", b"set-cookie"})

_FOR_THE_LOG = frozenset(name.encode("ascii") for name in _TO_THE_NEXT_PROXY)


def _answer_name(raw: bytes) -> bytes | None:
    name = raw.lower()
    if not TOKEN.fullmatch(name):
        return None
    plain = normalized_name(name)
    if plain in _ANSWERS_STAY or plain.startswith(_ANSWERS_STAY_PREFIXES):
        return None
    # A client behind one more proxy may know a field by its plain name; of framing and cookies there is one spelling.
    return None if plain in _NO_ROUTES_OWN and plain != name else name


class _AnswerNames(dict[bytes, bytes | None]):
    def __missing__(self, raw: bytes) -> bytes | None:
        name = _answer_name(raw)
        if len(self) < MAX_CACHED_NAMES and len(raw) <= MAX_CACHED_NAME_BYTES:
            self[raw] = name
            if raw.lower() in _FOR_THE_LOG:
                _log.info("response_field_dropped", name=raw.lower().decode("ascii"))
        return name


_ANSWER_NAMES: Mapping[bytes, bytes | None] = _AnswerNames()


def may_be_set_on_answers(name: str) -> bool:
    """As may_be_set_on_requests, for the way back."""
    plain = name.lower()
    return is_plain(name) and _answer_name(plain.encode()) is not None and plain.encode() not in _NO_ROUTES_OWN


def may_be_exposed(name: str) -> bool:
    """Whether a route may let pages of other origins read the field `name`: one that reaches clients at all."""
    # Fetch, 2.2.2: Set-Cookie is never readable; 3.2.5: `*` stands for every field.
    return _answer_name(name.encode()) is not None and name.lower() not in ("set-cookie", "*")


SESSION_COOKIE = "__Host-session"
PLAIN_SESSION_COOKIE = "sallyport-session"
"""The gateway's own, over TLS and over plain http (SESSION_COOKIE_SECURE=off).

No service may plant one, in any spelling that a browser sends back under that name."""
_OURS = b"|".join(name.encode() for name in (SESSION_COOKIE, PLAIN_SESSION_COOKIE))
_PLANTED = re.compile(rb"[\s=]*(?:" + _OURS + rb")\s*=", re.IGNORECASE)


def read_answer_fields(headers: Fields, *, keep_cookies: bool) -> list[tuple[bytes, bytes]]:
    """The fields of an upstream's answer that the client may see, names in lower case."""
    crossing: list[tuple[bytes, bytes]] = []
    named: list[bytes] = []
    for raw, value in headers:
        name = _ANSWER_NAMES[raw]
        if name is None:
            if raw.lower() == b"connection":
                named += list_elements(value.lower())
        elif name != b"set-cookie" or (keep_cookies and not _PLANTED.match(value)):
            crossing.append((name, value))
    if named:
        return [(name, value) for name, value in crossing if name not in named]
    return crossing
