"""The token verifier: it checks an access token's signature, typ, issuer, audience, times and revocation.

A verified token is cached by the SHA-256 of its text until it expires or the JWKS changes. Revocation is checked for
every request, in memory. Verifying RS256 takes about 32 us, a cache hit 2 us.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jwt
import structlog

from chassis.clock import Clock
from contract.claims import ACCESS_TYP, AccessClaims, ExpiredToken, InvalidToken, read_access_claims
from contract.credentials import token_digest
from contract.jws import CompactJws, JwsHeader, parse_jws, read_claims, read_unverified
from contract.problems import Refused
from gateway.bounded_cache import BoundedCache
from gateway.suspendable import Suspendable, wait_for
from gateway.tokens.foreign_tokens import ForeignTokens
from gateway.tokens.principal import Principal
from gateway.tokens.revocations import Revocations
from gateway.tokens.verification_keys import VerificationKeys

# The key is a digest, because the text of a token is the largest part of what would be stored for it. An entry takes
# 600 bytes; docs/decisions/0028 has the figures. The values are plain tuples, which the garbage collector stops
# tracking. With 100,000 instances of AccessClaims a full collection stopped the worker for up to 100 ms.
_ClaimsCache = BoundedCache[bytes, tuple[Any, ...]]

_new = tuple.__new__  # creates a named tuple in 0.1 us; its constructor takes 0.2, its _make 0.2

_log = structlog.get_logger("token_verifier")


class TokenVerifier:
    """Verifies access tokens.

    `on_presented` is called with the claims of each token that a client presents, when it is first accepted. Tokens
    that the gateway fetched for a client have a separate cache and are not passed to `on_presented`, because the
    client may not have received them. `leeway` is in seconds; `size` is the maximum number of tokens in each cache.
    `foreign` exchanges tokens of a Django project that moved in. `extra_claims` names the claims of the claims hook
    that services receive.
    """

    def __init__(
        self,
        keys: VerificationKeys,
        revocations: Revocations,
        on_presented: Callable[[AccessClaims], None],
        clock: Clock,
        *,
        issuer: str,
        audience: str,
        size: int,
        leeway: float,
        foreign: ForeignTokens | None = None,
        extra_claims: Sequence[str] = (),
    ) -> None:
        self._keys = keys
        self._revocations = revocations
        self._on_presented = on_presented
        self._clock = clock
        self._issuer = issuer
        self._audience = audience
        self._leeway = leeway
        self._foreign = foreign
        self._extra_claims = tuple(extra_claims)
        self._presented: _ClaimsCache = BoundedCache(size)
        self._fetched: _ClaimsCache = BoundedCache(size)
        self._keys_version = keys.version
        self.cache_misses = 0
        """Tokens that were in neither cache, since the start."""

    def verify(self, token: str, digest: bytes = b"") -> Suspendable[Principal]:
        """Return the principal of `token`, which a client has presented. `digest` is its token_digest, if known.

        Raises Refused: 401 for a token that is invalid, expired or revoked, 503 if there are no keys yet or
        revocations are unavailable.
        """
        return self._verify(token, digest, self._presented, "", is_fetched=False)

    def verify_fetched(self, token: str, handle: str = "", digest: bytes = b"") -> Suspendable[Principal]:
        """Return the principal of `token`, which the gateway fetched for a client. Raises the same errors as verify.

        `handle` is the session handle that it was fetched for; empty if there is none. `digest` is the token's
        token_digest, if known. `on_presented` is not called for the token. If a client presents it later, `verify`
        verifies it again.
        """
        return self._verify(token, digest, self._fetched, handle, is_fetched=True)

    def confirm(self, claims: AccessClaims, *, may_be_expired: bool = False) -> None:
        """Check a token that was verified before for expiry and revocation.

        Raises Refused: 401 if it has expired or was revoked, 503 if revocations are unavailable.
        """
        now = self._clock()
        if not may_be_expired and now >= claims.expires_at + self._leeway:
            raise Refused("token_expired")
        self._revocations.check(claims, now)

    def _verify(
        self, token: str, digest: bytes, cache: _ClaimsCache, handle: str, *, is_fetched: bool
    ) -> Suspendable[Principal]:
        # A digest takes 0.8 us; the look-up of the text would take 0.3.
        # `surrogatepass`: every text has a digest, and different texts are different bytes.
        digest = digest or token_digest(token.encode("utf-8", "surrogatepass"))
        if self._keys_version != self._keys.version:
            self._presented.clear()
            self._fetched.clear()
            self._keys_version = self._keys.version
        cached = cache.get(digest)
        if cached is None:
            self.cache_misses += 1
            try:
                jws = parse_jws(token)
                if self._foreign is not None and self._foreign.accepts(jws.header):
                    jws = yield from wait_for(self._foreign.exchange(token))
                key = self._keys.get(jws.header.key_id) or (yield from self._fetch_key(token, jws.header))
                claims = self._read_claims(jws, key)
            except InvalidToken as error:
                raise _refusal(error) from error
            if not is_fetched:
                self._on_presented(claims)
            cache[digest] = tuple(claims)
        else:
            claims = _new(AccessClaims, cached)
            now = self._clock()
            if now >= claims.expires_at + self._leeway:
                del cache[digest]
                raise Refused("token_expired")
            self._revocations.check(claims, now)
        return _new(Principal, (claims, token, None, handle, (), is_fetched))

    def _fetch_key(self, token: str, header: JwsHeader) -> Suspendable[jwt.PyJWK]:
        """Return the token's key, which is not cached: the JWKS may be fetched again.

        Raises InvalidToken if the key is still unknown, Refused(503) if there are no keys yet.
        """
        if header.type != ACCESS_TYP:  # refused without a fetch
            raise InvalidToken("Token has wrong type")
        key = yield from wait_for(self._keys.find(header.key_id))
        if not self._keys.loaded:
            raise Refused("keys_unavailable", retry_after=1)
        if key is None:
            raise self._unknown_key(token)
        return key

    def _unknown_key(self, token: str) -> InvalidToken:
        """Return the error for a token that is signed with an unknown key.

        A client may have been offline while the signing key was replaced. If its token has expired, it gets
        `token_expired`: after `token_invalid` it would not refresh.
        """
        exp = read_unverified(token).get("exp")
        # No arithmetic with `exp`: an integer of 400 digits can be compared with a float, but not converted to one.
        # No leeway: a token without a known key is refused in any case.
        has_expired = isinstance(exp, int | float) and exp <= self._clock()
        return ExpiredToken() if has_expired else InvalidToken("Token is signed with an unknown key")

    def _read_claims(self, jws: CompactJws, key: jwt.PyJWK) -> AccessClaims:
        now = self._clock()
        signed = read_claims(jws, typ=ACCESS_TYP, algorithm=key.algorithm_name, key=key.key)
        claims = read_access_claims(
            signed,
            issuer=self._issuer,
            audience=self._audience,
            now=now,
            leeway=self._leeway,
            exp_leeway=self._leeway,
            extra=self._extra_claims,
        )
        self._revocations.check(claims, now)
        return claims


def _refusal(error: InvalidToken) -> Refused:
    if isinstance(error, ExpiredToken):
        return Refused("token_expired")
    # "Token was issued in the future" means that the clocks of two machines differ by more than the leeway.
    _log.info("token_rejected", reason=error.reason)
    return Refused("token_invalid", error.reason + ".")
