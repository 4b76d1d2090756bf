"""Decides whose access token it is: signature, typ, issuer, audience, times, and then whether it was revoked.

A token that was verified once is remembered by its exact text until it expires; revocation is looked up every
time, in memory. Verifying RS256 costs some 40 us, the memory under one.
"""

from collections.abc import Callable
from typing import Any

import jwt
import structlog

from chassis.clock import Clock
from contract.claims import ACCESS_TYP, AccessClaims, ExpiredToken, InvalidToken, read_access_claims
from contract.jws import JwsHeader, read_claims, read_header, read_unverified
from contract.problems import Refused
from gateway.bounded_cache import make_room
from gateway.tokens.principal import Principal
from gateway.tokens.revocations import Revocations
from gateway.tokens.verification_keys import VerificationKeys

_log = structlog.get_logger("authenticator")


class TokenVerifier:
    """Turns the text of an access token into a proof of whose request it is, or refuses it with 401.

    `note` is called with the claims of every token that a client presents, when it is first accepted. Tokens that the
    gateway fetched are kept apart and not noted: nobody has received them yet.
    """

    def __init__(
        self,
        keys: VerificationKeys,
        revocations: Revocations,
        note: Callable[[AccessClaims], None],
        clock: Clock,
        *,
        issuer: str,
        audience: str,
        size: int,
        leeway: float,
    ) -> None:
        self._keys = keys
        self._revocations = revocations
        self._note = note
        self._clock = clock
        self._issuer = issuer
        self._audience = audience
        self._size = size
        self._leeway = leeway
        # Plain tuples, which the garbage collector lets go of once it has seen them. Over a hundred thousand others
        # it stopped the worker for up to 100 ms at a time.
        self._verified: dict[str, tuple[Any, ...]] = {}
        self._fetched: dict[str, tuple[Any, ...]] = {}
        self._keys_version = keys.version

    def recall(self, token: str, now: float) -> Principal | None:
        """The proof by a token that a client presented before; None for one that has to be verified.

        Raises Refused(401) for one that has expired or was revoked since.
        """
        if self._keys_version != self._keys.version:
            self._forget_all()
        known = self._verified.get(token)
        if known is None:
            return None
        claims = AccessClaims._make(known)
        if claims.is_expired(now, self._leeway):
            del self._verified[token]
            raise Refused("token_expired")
        self._revocations.check(claims, now)
        return Principal(claims, token)

    def confirm(self, claims: AccessClaims, *, may_be_expired: bool = False) -> None:
        """Returns where the token of `claims`, which was verified before, still stands. Raises Refused: 401, 503."""
        now = self._clock()
        if not may_be_expired and claims.is_expired(now, self._leeway):
            raise Refused("token_expired")
        self._revocations.check(claims, now)

    def verify_at_once(self, token: str) -> Principal | None:
        """The proof by a token never seen before; None where its key has to be fetched. Raises Refused(401)."""
        try:
            header = read_header(token)
            key = self._keys.get(header.key_id)
            return self._presented(token, self._read(token, header, key)) if key is not None else None
        except InvalidToken as error:
            raise _refusal(error) from error

    async def verify(self, token: str) -> Principal:
        """The proof by a token that a client presents for the first time.

        Raises Refused: 401 for a bad one, 503 while we have no keys.
        """
        return self._presented(token, await self._find_claims(token))

    async def verify_fetched(self, token: str) -> Principal:
        """The proof by a token that the gateway fetched for a client, which may never receive it. Raises as verify.

        It is not noted as seen in use. Once a client presents it, it is verified like any other.
        """
        if self._keys_version != self._keys.version:
            self._forget_all()
        known = self._fetched.get(token)
        if known is None:
            return self._remembered(self._fetched, token, await self._find_claims(token))
        claims = AccessClaims._make(known)
        self.confirm(claims)
        return Principal(claims, token)

    async def _find_claims(self, token: str) -> AccessClaims:
        try:
            header = read_header(token)
            if header.type != ACCESS_TYP:  # before anything is fetched for it
                raise InvalidToken("Token has wrong type")
            key = await self._keys.find(header.key_id)
            if not self._keys.loaded:
                raise Refused("keys_unavailable", retry_after=1)
            if key is None:
                raise self._unknown_key(token)
            return self._read(token, header, key)
        except InvalidToken as error:
            raise _refusal(error) from error

    def _unknown_key(self, token: str) -> InvalidToken:
        """Return why a token is refused whose key is unknown.

        A client that was offline may come back after its key was replaced. Its token has expired in any case, and
        nothing else may tell it that it cannot refresh.
        """
        exp = read_unverified(token).get("exp")
        # Nothing is added to `exp`: an integer of 400 digits can be compared with a float, but not be made one.
        # No leeway counts: without its key the token is refused in any case.
        has_expired = isinstance(exp, int | float) and exp <= self._clock()
        return ExpiredToken() if has_expired else InvalidToken("Token is signed with an unknown key")

    def _forget_all(self) -> None:
        self._verified.clear()
        self._fetched.clear()
        self._keys_version = self._keys.version

    def _read(self, token: str, header: JwsHeader, key: jwt.PyJWK) -> AccessClaims:
        now = self._clock()
        signed = read_claims(token, header, typ=ACCESS_TYP, algorithm=key.algorithm_name, key=key.key)
        claims = read_access_claims(
            signed,
            issuer=self._issuer,
            audience=self._audience,
            now=now,
            leeway=self._leeway,
            exp_leeway=self._leeway,
        )
        self._revocations.check(claims, now)
        return claims

    def _presented(self, token: str, claims: AccessClaims) -> Principal:
        self._note(claims)
        return self._remembered(self._verified, token, claims)

    def _remembered(self, verified: dict[str, tuple[Any, ...]], token: str, claims: AccessClaims) -> Principal:
        # The oldest go first: with access lifetimes of minutes, they are those nearest to their end.
        make_room(verified, self._size)
        verified[token] = tuple(claims)
        return Principal(claims, token)


def _refusal(error: InvalidToken) -> Refused:
    if isinstance(error, ExpiredToken):
        return Refused("token_expired")
    # Among them "was issued in the future": then the clocks of two machines differ by more than the leeway.
    _log.info("token_rejected", reason=error.reason)
    return Refused("token_invalid", error.reason + ".")
