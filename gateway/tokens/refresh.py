"""Refresh an expired access token for a client that sends its refresh token in the same request.

Concurrent requests with one refresh token share one call to the auth service. No lock between workers and gateways is
needed, because the auth service returns the same successor to every concurrent caller.
"""

import json
from dataclasses import dataclass

from contract.problems import Refused, jittered_retry_after
from gateway.http.header_fields import HeaderTuple
from gateway.single_flight import SingleFlight
from gateway.tokens.auth_client import Post, read_object

REFRESH_PATH = "/auth/jwt/refresh/"


@dataclass(frozen=True, slots=True)
class FreshTokens:
    """The tokens that a refresh returned, for the client."""

    access: str
    refresh: str

    def to_headers(self) -> dict[str, str]:
        """Return the response headers that carry the tokens, with `Cache-Control: no-store`."""
        return {"X-Access-Token": self.access, "X-Refresh-Token": self.refresh, "Cache-Control": "no-store"}

    def to_fields(self) -> HeaderTuple:
        """Return the same headers as fields of a response."""
        return tuple((name.lower().encode(), value.encode()) for name, value in self.to_headers().items())

    def add_to(self, refused: Refused) -> None:
        """Add the headers to a refusal: the client needs them, because its refresh token has been replaced."""
        refused.headers = {**refused.headers, **self.to_headers()}


class TokenRefresher:
    """Refreshes tokens at the auth service, with one call at a time for each refresh token."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._calls = SingleFlight[str, FreshTokens]()

    async def refresh(self, refresh_token: str) -> FreshTokens:
        """Return the new tokens for `refresh_token`.

        Raises Refused: 401 if the auth service refused the refresh token, 503 if it was unavailable.
        """
        return await self._calls.do(refresh_token, lambda: self._call(refresh_token))

    async def _call(self, refresh_token: str) -> FreshTokens:
        try:
            status, body, _ = await self._post(REFRESH_PATH, json.dumps({"refresh": refresh_token}).encode())
        except OSError as error:
            raise Refused("auth_unavailable", retry_after=jittered_retry_after(1)) from error
        if status == 200:
            return _read_tokens(body)
        if status in (400, 401):
            raise Refused("token_expired", "The access token has expired, and the refresh token was refused.")
        raise Refused("auth_unavailable", retry_after=jittered_retry_after(1))


def _read_tokens(body: bytes) -> FreshTokens:
    members = read_object(body)
    access, refresh = members.get("access"), members.get("refresh")
    if not isinstance(access, str) or not isinstance(refresh, str):
        raise Refused("auth_unavailable", "The auth service returned no tokens.", retry_after=jittered_retry_after(1))
    return FreshTokens(access, refresh)
