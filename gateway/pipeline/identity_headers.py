"""Vouches for a subject to one upstream: the assertion, and the same facts as plain headers for reading.

A vouching is a block of ended header lines, made once a (token, upstream) and kept for at most 30 seconds, so
that an assertion is always good for another 30.
"""

from urllib.parse import quote

from contract.claims import AccessClaims
from contract.identity import IDENTITY_HEADER, READABLE_HEADERS, Identity, sign
from gateway.bounded_cache import make_room
from gateway.routing.routes import Upstream

KEEP = 30
"""Seconds."""

_VISIBLE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")

_LINES = "".join(f"{name}: %s\r\n" for name in (IDENTITY_HEADER, *READABLE_HEADERS))


class Voucher:
    """Mints assertions and remembers the last `size` of them."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._minted: dict[tuple[str, str], tuple[float, bytes]] = {}

    def vouch(self, claims: AccessClaims, upstream: Upstream, now: float) -> bytes:
        """The header lines that tell `upstream` who is calling; empty where it takes no assertion."""
        if upstream.signer is None:
            return b""
        key = (claims.jti, upstream.name)
        kept = self._minted.get(key)
        if kept is not None and now < kept[0]:
            return kept[1]
        lines = _lines(claims, upstream, now)
        self._keep(key, now + KEEP, lines)
        return lines

    def _keep(self, key: tuple[str, str], until: float, lines: bytes) -> None:
        self._minted.pop(key, None)
        make_room(self._minted, self._size)
        self._minted[key] = (until, lines)


def _lines(claims: AccessClaims, upstream: Upstream, now: float) -> bytes:
    if upstream.signer is None:
        raise ValueError(f"{upstream.name} takes no assertion")
    identity = Identity(claims.subject, claims.session, claims.email, claims.roles)
    assertion = sign(identity, signer=upstream.signer, audience=upstream.audience, now=now)
    readable: tuple[str, ...] = (claims.subject, claims.email, " ".join(claims.roles), claims.session)
    if not _is_plain("".join(readable)):
        readable = tuple(quote(value, safe=_VISIBLE) for value in readable)
    return (_LINES % (assertion, *readable)).encode("ascii")


def _is_plain(text: str) -> bool:
    """Whether `text` is visible ASCII. What is not, is percent-encoded: a header line never ends early."""
    return text.isascii() and text.isprintable() and "%" not in text
