"""Exchange access tokens of a Django project that moved in for tokens of the auth service, which are verified here.

The gateway does not have the project's secret. Clients hold such tokens for a few minutes after the move, until they
refresh. The token verifier caches the result like any verified token, so each token is exchanged once per worker.

Failure policy: while the auth service is unavailable or busy, a request with such a token gets 503 and not 401,
because the token may be valid.
"""

import asyncio
import json

from chassis.clock import Clock
from contract.claims import ACCESS, ExpiredToken, InvalidToken
from contract.credentials import token_digest
from contract.foreign_tokens import FOREIGN_ALGORITHMS, FOREIGN_TYP
from contract.internal_api import FOREIGN_TOKEN_PATH
from contract.jws import CompactJws, JwsHeader, parse_jws, read_unverified
from contract.problems import Refused, jittered_retry_after
from gateway.single_flight import SingleFlight
from gateway.tokens.auth_client import Post, read_object

MAX_CONCURRENT = 4
"""Exchanges in progress in one worker: a quarter of the calls to the auth service, so that forged tokens cannot
exclude the exchanges of session cookies."""
MAX_WAITING = 200
"""Exchanges in progress or waiting. More are answered 503."""


class ForeignTokens:
    """Exchanges access tokens before `until` (seconds since the epoch; None: never)."""

    def __init__(self, post: Post, clock: Clock, until: float | None) -> None:
        self._post = post
        self._clock = clock
        self._until = until if until is not None else float("-inf")
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)
        self._waiting = 0
        self._calls = SingleFlight[bytes, CompactJws]()

    def accepts(self, header: JwsHeader) -> bool:
        """Return whether a token with this header may be one of the project."""
        return header.type == FOREIGN_TYP and header.algorithm in FOREIGN_ALGORITHMS and self._clock() < self._until

    async def exchange(self, token: str) -> CompactJws:
        """Return an access token of the auth service for `token`. Its signature is not verified here.

        Raises ExpiredToken, InvalidToken, or Refused: 401 if it was revoked, 503 if the auth service is unavailable.
        """
        # Not verified: what is certainly refused needs no call.
        claims = read_unverified(token)
        if claims.get("token_type") != ACCESS:
            raise InvalidToken("Token has wrong type")
        expires_at = claims.get("exp")
        if isinstance(expires_at, int | float) and expires_at <= self._clock():
            raise ExpiredToken
        return await self._calls.do(token_digest(token.encode("ascii")), lambda: self._call(token))

    async def _call(self, token: str) -> CompactJws:
        if self._waiting >= MAX_WAITING:
            raise Refused("auth_unavailable", retry_after=jittered_retry_after(1))
        self._waiting += 1
        try:
            async with self._slots:
                status, body, _ = await self._post(FOREIGN_TOKEN_PATH, json.dumps({"token": token}).encode())
        except OSError as error:
            raise Refused("auth_unavailable", retry_after=jittered_retry_after(1)) from error
        finally:
            self._waiting -= 1
        members = read_object(body)
        access = members.get("access")
        if status == 200 and isinstance(access, str):
            try:
                return parse_jws(access)
            except InvalidToken as error:  # a fault of the auth service, not of the client's token
                raise Refused("auth_unavailable", retry_after=jittered_retry_after(1)) from error
        if status == 401:
            raise _refusal(members.get("code"))
        raise Refused("auth_unavailable", retry_after=jittered_retry_after(1))


def _refusal(code: object) -> Exception:
    """Return the error for a code of the auth service."""
    if code == "token_expired":
        return ExpiredToken()
    if code == "token_revoked":
        return Refused("token_revoked")
    return InvalidToken("Token is invalid")
