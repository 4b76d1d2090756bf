"""The forms that a header field's name may have, and the fields that are about one connection alone."""

import re

PLAIN_NAME = re.compile(rb"[a-z0-9-]+")
TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")  # RFC 9110 5.6.2, in lower case
_NOT_PLAIN = re.compile(rb"[^a-z0-9-]")

TABLE_SIZE = 2_000
"""Names that a table of them learns."""
LONGEST_KNOWN = 128
"""Bytes of a name that is kept in a table and written to the log."""

# RFC 9110 7.6.1, with the Proxy-* fields and what only the next hop may say.
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


def folded(name: bytes) -> bytes:
    """The plain name under which a service may know the field `name`, which is in lower case."""
    return _NOT_PLAIN.sub(b"-", name)


def is_plain(name: str) -> bool:
    """Whether `name`, in any case, is made of letters, digits and `-`."""
    return PLAIN_NAME.fullmatch(name.lower().encode()) is not None
