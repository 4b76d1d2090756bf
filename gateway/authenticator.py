"""Decides whose access token it is: signature, typ, issuer, audience, times, and then whether it was revoked.

A token that was verified once is remembered by its exact text until it expires; revocation is looked up every
time, in memory. Verifying RS256 costs some 50 us, the memory under one.
"""

from collections.abc import Callable

import jwt
import structlog

from chassis.clock import Clock
from chassis.json_body import MalformedBody, parse_json
from contract.claims import (
    ACCESS_TYP,
    AccessClaims,
    ExpiredToken,
    InvalidToken,
    is_compact_jws,
    read_access_claims,
)
from contract.problems import Refused
from gateway.keys import SigningKeys
from gateway.revocations import Revocations

_log = structlog.get_logger("authenticator")


class Authenticator:
    """Turns the text of an access token into its claims, or refuses it with 401.

    `note` is told of every token when it is first accepted.
    """

    def __init__(
        self,
        keys: SigningKeys,
        revocations: Revocations,
        note: Callable[[AccessClaims], None],
        clock: Clock,
        *,
        issuer: str,
        audience: str,
        size: int,
    ) -> None:
        self._keys = keys
        self._revocations = revocations
        self._note = note
        self._clock = clock
        self._issuer = issuer
        self._audience = audience
        self._size = size
        self._verified: dict[str, AccessClaims] = {}
        self._keys_version = keys.version

    def recall(self, token: str, now: float) -> AccessClaims | None:
        """The claims of a token that was verified before; None for one that has to be verified.

        Raises Refused(401) for one that has expired or was revoked since.
        """
        if self._keys_version != self._keys.version:
            self._verified.clear()
            self._keys_version = self._keys.version
        claims = self._verified.get(token)
        if claims is None:
            return None
        if claims.is_expired(now):
            del self._verified[token]
            raise Refused("token_expired")
        self._revocations.check(claims, now)
        return claims

    def confirm(self, claims: AccessClaims) -> None:
        """Returns where the token of `claims`, which was verified somewhere, still stands. Raises Refused(401)."""
        now = self._clock()
        if claims.is_expired(now):
            raise Refused("token_expired")
        self._revocations.check(claims, now)

    async def verify(self, token: str) -> AccessClaims:
        """The claims of a token never seen before. Raises Refused: 401 for a bad one, 503 while we have no keys."""
        try:
            claims = await self._read(token)
        except ExpiredToken as error:
            raise Refused("token_expired") from error
        except InvalidToken as error:
            # Among them "was issued in the future": then the clocks of two machines differ by more than the leeway.
            _log.info("token refused", reason=error.reason)
            raise Refused("token_invalid", error.reason + ".") from error
        self._revocations.check(claims, self._clock())
        self._remember(token, claims)
        self._note(claims)
        return claims

    async def _read(self, token: str) -> AccessClaims:
        if not is_compact_jws(token):
            raise InvalidToken("Token is malformed")
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError as error:
            raise InvalidToken("Token is malformed") from error
        if header.get("typ") != ACCESS_TYP:
            raise InvalidToken("Token has wrong type")
        key = await self._keys.find(header.get("kid"))
        if not self._keys.loaded:
            raise Refused("keys_unavailable", retry_after=1)
        if key is None:
            raise InvalidToken("Token is signed with an unknown key")
        return read_access_claims(
            _verified_payload(token, key), issuer=self._issuer, audience=self._audience, now=self._clock()
        )

    def _remember(self, token: str, claims: AccessClaims) -> None:
        # The oldest goes first: with access lifetimes of minutes, it is the one nearest to its end.
        if len(self._verified) >= self._size:
            del self._verified[next(iter(self._verified))]
        self._verified[token] = claims


def _verified_payload(token: str, key: jwt.PyJWK) -> dict[str, object]:
    try:
        # One algorithm a key, the key's own: what the token's header asks for never decides (RFC 8725 3.1).
        decoded = jwt.api_jws.decode_complete(token, key, algorithms=[key.algorithm_name])
        payload = parse_json(decoded["payload"])
    except (jwt.PyJWTError, MalformedBody) as error:
        raise InvalidToken("Token has a bad signature") from error
    if not isinstance(payload, dict):
        raise InvalidToken("Token has no claims")
    return dict(payload)
