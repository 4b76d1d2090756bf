"""Identity headers: a signed assertion of the subject for one upstream, and the same facts as plain headers.

They are cached per token and upstream for at most 30 seconds. An assertion is valid for 60 seconds, so an assertion
that is sent remains valid for at least 30.
"""

from urllib.parse import quote

from contract.claims import AccessClaims
from contract.identity import IDENTITY_HEADER, UNSIGNED_HEADERS, Identity, sign
from gateway.bounded_cache import BoundedCache
from gateway.routing.routes import Upstream

MAX_AGE_SECONDS = 30
"""How long the headers of a token are reused for one upstream."""

_VISIBLE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")

_LINES = "".join(f"{name}: %s\r\n" for name in (IDENTITY_HEADER, *UNSIGNED_HEADERS))


class IdentityHeaders:
    """Signs identity assertions and caches the last `size` of them."""

    def __init__(self, size: int) -> None:
        self._cache: BoundedCache[tuple[str, str], tuple[float, bytes]] = BoundedCache(size)

    def lines(self, claims: AccessClaims, upstream: Upstream, now: float) -> bytes:
        """Return the identity headers for `upstream`, as complete lines; empty if it takes no assertion."""
        if upstream.signer is None:
            return b""
        key = (claims.jti, upstream.name)
        cached = self._cache.get(key)
        if cached is not None and now < cached[0]:
            return cached[1]
        lines = _lines(claims, upstream, now)
        self._cache[key] = (now + MAX_AGE_SECONDS, lines)
        return lines


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
    """Return whether `text` is printable ASCII without `%`. Other text is percent-encoded; it may hold line ends."""
    return text.isascii() and text.isprintable() and "%" not in text
