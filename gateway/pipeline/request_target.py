"""Refuse ambiguous request targets, which the gateway and a service could read differently.

The path that is matched and authorized must be the path that the service reads. So a path that servers decode,
normalize or truncate in different ways is refused, and never corrected (RFC 9112 3.2).
"""

import re
from urllib.parse import unquote_to_bytes

from contract.problems import Refused
from gateway.http.request_limits import DEFAULT_LIMITS, RequestLimits

# Refused: bytes outside visible ASCII; backslash, `#`, and `;` (some servers cut off path parameters); empty and dot
# segments; malformed percent-escapes; and percent-escapes of separators (%2f %5c %3b), of control characters, and of
# unreserved characters (so that /%61dmin is not matched as another route than /admin).
_AMBIGUOUS = re.compile(
    rb"[^\x21-\x7e]|[\\;#]|//|/\.{1,2}(?=/|$)"
    rb"|%(?![0-9A-Fa-f]{2})|%(?:[01][0-9A-Fa-f]|2[DdEeFf]|3[0-9Bb]|4[1-9A-Fa-f]|5[0-9AaCcFf]|6[1-9A-Fa-f]|7[0-9AaEeFf])"
)
PLAIN_PATH = re.compile(rb"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~!$&'()*+,=:@-]*)*/?")
"""Paths that cannot be ambiguous. This takes 0.4 us for a path of 17 bytes; the search above takes 1.5."""
_QUERY_CHARACTERS = bytes(set(range(0x21, 0x7F)) - {ord("#")})


def check_path(path: bytes) -> None:
    """Check that all servers read `path` in the same way. Raises Refused(400)."""
    if not path.startswith(b"/") or _AMBIGUOUS.search(path) or not _is_utf8(path):
        raise Refused("bad_path")


def _is_utf8(path: bytes) -> bool:
    # Servers read other encodings differently: some have decoded the overlong form %c0%af as a slash.
    if b"%" not in path:
        return True
    try:
        unquote_to_bytes(path).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def check_target(path: bytes, query: bytes, limits: RequestLimits = DEFAULT_LIMITS) -> None:
    """Check the length and the characters of a request target. Raises Refused(414 or 400)."""
    if len(path) + len(query) > limits.target_bytes:
        raise Refused("target_too_long", f"The request target is over {limits.target_bytes} bytes.")
    if query and query.translate(None, _QUERY_CHARACTERS):
        raise Refused("bad_request", "The query holds characters that must be percent-encoded.")
    if not path or not PLAIN_PATH.fullmatch(path):
        check_path(path)
