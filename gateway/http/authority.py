"""Reads the host that a request names: in Host, or in a target in absolute-form, whose authority replaces Host."""

import re
from functools import lru_cache

# RFC 9110 7.2 with RFC 3986 3.2.2, without percent-escapes and sub-delimiters, which no name in DNS has; `_` is in
# names of containers. No userinfo (RFC 9110 4.2.4).
_HOST = re.compile(rb"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)

_LONGEST = 255
"""Bytes."""

Fields = list[tuple[bytes, bytes]]


def is_host(value: bytes) -> bool:
    """Whether `value` is a host with or without a port."""
    return len(value) <= _LONGEST and _is_host(value)


@lru_cache(4_096)  # clients name few hosts, and in every request: 0.1 us instead of one
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None


def origin_form(method: str, target: bytes) -> tuple[bytes, bytes]:
    """The target in origin-form, and the authority where `target` is in absolute-form (RFC 9112 3.2.2).

    Other targets come back as they are, with an empty authority.
    """
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None or not is_host(absolute[1]):
        return target, b""
    authority, rest = absolute.groups()
    if not rest and method == "OPTIONS":
        return b"*", authority  # RFC 9112 3.2.4
    return (rest if rest.startswith(b"/") else b"/" + rest), authority


def with_authority(headers: Fields, authority: bytes, http_version: str) -> Fields:
    """`headers` with `authority` in the place of what Host says; HTTP/1.0 need not have said it."""
    replaced = [(name, authority if name == b"host" else value) for name, value in headers]
    if http_version == "1.0" and not any(name == b"host" for name, _ in headers):
        replaced.append((b"host", authority))
    return replaced
