"""Refreshes for clients that ask the gateway to: an expired access token with a good refresh token goes on.

However many requests bring the same refresh token, one call is under way for it in this worker; other workers and
gateways are safe without a lock, since the auth service gives everybody the same successor.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from chassis.json_body import MalformedBody, parse_json
from contract.problems import Refused, spread
from gateway.tokens.auth_client import AuthAnswer

REFRESH_PATH = "/auth/jwt/refresh/"

Post = Callable[[str, bytes], Awaitable[AuthAnswer]]
"""Calls the auth service: what answers a JSON document. Raises OSError where there is none."""


@dataclass(frozen=True, slots=True)
class FreshTokens:
    """What a refresh gave, to be handed to the client with the answer."""

    access: str
    refresh: str

    def to_headers(self) -> dict[str, str]:
        """The fields that carry the tokens; no cache may keep them."""
        return {"X-Access-Token": self.access, "X-Refresh-Token": self.refresh, "Cache-Control": "no-store"}


class TokenRefresher:
    """Exchanges refresh tokens at the auth service."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._running: dict[str, asyncio.Task[FreshTokens]] = {}

    async def refresh(self, refresh_token: str) -> FreshTokens:
        """The successors of `refresh_token`.

        Raises Refused: 401 where it was refused too, 503 where the auth service could not say.
        """
        running = self._running.get(refresh_token)
        if running is None:
            running = asyncio.create_task(self._call(refresh_token))
            self._running[refresh_token] = running
            running.add_done_callback(lambda _: self._running.pop(refresh_token, None))
        # Shielded: who waits may hang up, and the others still get their tokens.
        return await asyncio.shield(running)

    async def _call(self, refresh_token: str) -> FreshTokens:
        try:
            status, body, _ = await self._post(REFRESH_PATH, json.dumps({"refresh": refresh_token}).encode())
        except OSError as error:
            raise Refused("auth_unavailable", retry_after=spread(1)) from error
        if status == 200:
            return _read_tokens(body)
        if status in (400, 401):
            raise Refused("token_expired", "The access token has expired, and the refresh token was refused.")
        raise Refused("auth_unavailable", retry_after=spread(1))


def _read_tokens(body: bytes) -> FreshTokens:
    members = read_object(body)
    access, refresh = members.get("access"), members.get("refresh")
    if not isinstance(access, str) or not isinstance(refresh, str):
        raise Refused("auth_unavailable", "The auth service gave no tokens.", retry_after=spread(1))
    return FreshTokens(access, refresh)


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object in an answer of the auth service. Raises Refused(503) for what is none."""
    try:
        value = parse_json(body)
    except MalformedBody as error:
        raise Refused(
            "auth_unavailable", "The auth service's answer was malformed.", retry_after=spread(1)
        ) from error
    if not isinstance(value, dict):
        raise Refused("auth_unavailable", "The auth service's answer was malformed.", retry_after=spread(1))
    return dict(value)
