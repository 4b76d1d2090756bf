"""Select the header fields of an upstream's response that are sent to the client.

Whether a name is sent or dropped is cached, so a known name costs one look-up.
"""

import re
from collections.abc import Mapping

import structlog

from gateway.http import default_response_headers
from gateway.http.header_fields import (
    HOP_BY_HOP,
    MAX_CACHED_NAME_BYTES,
    MAX_CACHED_NAMES,
    TOKEN,
    HeaderFields,
    HeaderList,
    is_plain,
    list_elements,
    normalized_name,
)

_log = structlog.get_logger("response_headers")

# A service sends these to make its proxy send a file or request another URL. The gateway supports neither. It drops
# them, because an nginx in front of it would act on them, and a client could read the name of the file.
_PROXY_COMMANDS = ("x-accel-redirect", "x-lighttpd-send-file", "x-reproxy-url", "x-sendfile", "x-sendfile2")

_DROPPED = frozenset(
    name.encode("ascii")
    for name in (
        *HOP_BY_HOP,
        *default_response_headers.NAMES,
        *_PROXY_COMMANDS,
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


_DROPPED_PREFIXES = (
    b"access-control-",  # only gateway/pipeline/cors.py sends them
    b"x-user-",
    b"x-session-",
)


DROPPED_NAMES = tuple(name.decode("ascii") for name in sorted(_DROPPED))
DROPPED_PREFIXES = tuple(prefix.decode("ascii") for prefix in _DROPPED_PREFIXES)
"""The normalized names, and their beginnings, of fields that no client receives from a service."""

# Only a service may set these; a route must not.
_SET_BY_SERVICES_ONLY = frozenset({b"content-length", b"set-cookie"})

_LOGGED_WHEN_DROPPED = frozenset(name.encode("ascii") for name in _PROXY_COMMANDS)


def _select_name(raw: bytes) -> bytes | None:
    """Return the name in lower case if the field is sent to the client; None if it is dropped."""
    name = raw.lower()
    if not TOKEN.fullmatch(name):
        return None
    plain = normalized_name(name)
    if plain in _DROPPED or plain.startswith(_DROPPED_PREFIXES):
        return None
    # A proxy between gateway and client may normalize names, so no other spelling of these may pass.
    return None if plain in _SET_BY_SERVICES_ONLY and plain != name else name


class ResponseNameCache(dict[bytes, bytes | None]):
    """Cache of `_select_name` by the name as the service sent it. It keeps at most MAX_CACHED_NAMES names."""

    def __missing__(self, raw: bytes) -> bytes | None:
        name = _select_name(raw)
        if len(self) < MAX_CACHED_NAMES and len(raw) <= MAX_CACHED_NAME_BYTES:
            self[raw] = name
            if raw.lower() in _LOGGED_WHEN_DROPPED:
                _log.info("response_field_dropped", name=raw.lower().decode("ascii"))
        return name


_client_names: Mapping[bytes, bytes | None] = ResponseNameCache()


def client_name(raw: bytes) -> bytes | None:
    """Return the lower-case name of the field `raw` if it is sent to the client; None if it is dropped."""
    return _client_names[raw]


def may_be_set_on_responses(name: str) -> bool:
    """Return whether a route may set the response field `name`."""
    plain = name.lower()
    return is_plain(name) and _select_name(plain.encode()) is not None and plain.encode() not in _SET_BY_SERVICES_ONLY


def may_be_exposed(name: str) -> bool:
    """Return whether a route may allow pages of other origins to read the response field `name` (CORS)."""
    # Fetch, 2.2.2: Set-Cookie is never readable; 3.2.5: `*` stands for every field.
    return _select_name(name.encode()) is not None and name.lower() not in ("set-cookie", "*")


SESSION_COOKIE = "__Host-session"
INSECURE_SESSION_COOKIE = "sallyport-session"
"""The gateway's session cookie over TLS, and over plain HTTP (SESSION_COOKIE_SECURE=off).

The gateway drops a service's Set-Cookie for either name, in any spelling that a browser sends back as that name."""
_OWN_COOKIES = b"|".join(name.encode() for name in (SESSION_COOKIE, INSECURE_SESSION_COOKIE))
_SETS_OWN_COOKIE = re.compile(rb"[\s=]*(?:" + _OWN_COOKIES + rb")\s*=", re.IGNORECASE)


def sets_own_cookie(value: bytes) -> bool:
    """Return whether a Set-Cookie value, or a pair in Cookie, has the name of the gateway's session cookie."""
    return _SETS_OWN_COOKIE.match(value) is not None


def read_response_fields(headers: HeaderFields, *, keep_cookies: bool) -> HeaderList:
    """Return the fields to send to the client, names in lower case. Names in `headers` may be in any case.

    `keep_cookies` is False on routes whose services must not set cookies.
    """
    forwarded: HeaderList = []
    listed: list[bytes] = []
    for raw, value in headers:
        name = _client_names[raw]
        if name is None:
            if raw.lower() == b"connection":
                listed += list_elements(value.lower())
        elif name != b"set-cookie" or (keep_cookies and not sets_own_cookie(value)):
            forwarded.append((name, value))
    if listed:
        return [(name, value) for name, value in forwarded if name not in listed]
    return forwarded
