"""Refuses requests that two readers could understand differently: what the parser lets through and we do not.

A path that is matched and authorized must be the path that the service behind reads, byte for byte; so every
form that some server decodes, normalizes or cuts is refused instead of repaired (RFC 9112 11.2).
"""

import re
from urllib.parse import unquote_to_bytes

from contract.problems import Refused
from gateway.http.request_limits import DEFAULT_LIMITS, RequestLimits

# Refused: what is no visible ASCII, backslash, `;` (some servers cut path parameters off), empty and dot
# segments, and percent-escapes of what needs none or of what a server may take for a separator or an end:
# %2f %5c %00 %2e, controls, and the unreserved characters (so that /%61dmin cannot pass for another route).
_AMBIGUOUS = re.compile(
    rb"[^\x21-\x7e]|[\\;#]|//|/\.{1,2}(?=/|$)"
    rb"|%(?![0-9A-Fa-f]{2})|%(?:[01][0-9A-Fa-f]|2[DdEeFf]|3[0-9Bb]|4[1-9A-Fa-f]|5[0-9AaCcFf]|6[1-9A-Fa-f]|7[0-9AaEeFf])"
)
_NOT_VISIBLE = re.compile(rb"[^\x21-\x7e]|#")


def check_path(path: bytes) -> None:
    """Returns for a path that every server reads alike. Raises Refused(400)."""
    if not path.startswith(b"/") or _AMBIGUOUS.search(path) or not _is_utf8(path):
        raise Refused("bad_path")


def _is_utf8(path: bytes) -> bool:
    # What is none is read by guessing; an overlong %c0%af was once read as a slash.
    if b"%" not in path:
        return True
    try:
        unquote_to_bytes(path).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def check_target(path: bytes, query: bytes, limits: RequestLimits = DEFAULT_LIMITS) -> None:
    """Returns for a request target of acceptable length and characters. Raises Refused(414 or 400)."""
    if len(path) + len(query) > limits.target_bytes:
        raise Refused("target_too_long", f"The request target is over {limits.target_bytes} bytes.")
    if query and _NOT_VISIBLE.search(query):
        raise Refused("bad_request", "The query holds characters that must be percent-encoded.")
    check_path(path)
