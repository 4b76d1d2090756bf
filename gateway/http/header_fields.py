"""Header fields (RFC 9110 5): types, name patterns, hop-by-hop fields and comma-separated lists."""

import re
from collections.abc import Iterable

HeaderFields = Iterable[tuple[bytes, bytes]]
"""Names and values in their order; names are in lower case unless stated otherwise."""

HeaderList = list[tuple[bytes, bytes]]
HeaderTuple = tuple[tuple[bytes, bytes], ...]

PLAIN_NAME = re.compile(rb"[a-z0-9-]+")
TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")  # RFC 9110 5.6.2, in lower case
_NOT_PLAIN = re.compile(rb"[^a-z0-9-]")

OWS = b" \t"
"""Optional white space around a value or a list element (RFC 9110 5.6.3)."""

MAX_CACHED_NAMES = 2_000
"""Maximum number of names in a cache of field names."""

MAX_CACHED_NAME_BYTES = 128
"""Maximum length in bytes of a name that is cached and logged."""

# RFC 9110 7.6.1, the Proxy-* fields, and other fields that apply to one connection only.
HOP_BY_HOP = (
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
)


def normalized_name(name: bytes) -> bytes:
    """Return the plain name with which CGI, WSGI and PHP conflate `name` (in lower case)."""
    return _NOT_PLAIN.sub(b"-", name)


def is_plain(name: str) -> bool:
    """Return whether `name`, in any case, consists of letters, digits and `-`."""
    return PLAIN_NAME.fullmatch(name.lower().encode()) is not None


def list_elements(value: bytes) -> list[bytes]:
    """Return the non-empty elements of a comma-separated list (RFC 9110 5.6.1), without surrounding white space."""
    return [element for part in value.split(b",") if (element := part.strip(OWS))]


def list_elements_of(fields: HeaderFields, name: bytes) -> list[bytes]:
    """Return the list elements of all fields called `name`, in their order (RFC 9110 5.3)."""
    return [element for field_name, value in fields if field_name == name for element in list_elements(value)]
