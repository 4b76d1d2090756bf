"""One-time tickets, for pages whose WebSocket or EventSource cannot send an access token.

A ticket is a random value of 256 bits that represents the claims of an access token. It is sent in the URL, which may
be stored in logs and browser histories. Therefore it is valid for one request, at any gateway, for LIFETIME_SECONDS.
Redis stores the ticket's hash, and the claims with a MAC: write access to Redis is not enough to forge a ticket.

Failure policy: while Redis is unavailable, no ticket is issued or redeemed (503). No ticket is redeemed twice.
"""

import asyncio
import hashlib
import hmac
import json
import secrets
from collections.abc import Awaitable
from typing import Any

import structlog
from redis.asyncio import Redis

from chassis.clock import Clock
from contract.claims import AccessClaims
from contract.problems import Refused, jittered_retry_after
from gateway.redis_errors import RedisUnavailable, redis_faults

LIFETIME_SECONDS = 30
"""Lifetime of a ticket."""

REDIS_TIMEOUT_SECONDS = 1.0
"""Maximum time that a request waits for Redis."""

_PURPOSE = b"sallyport one-time tickets"
"""Makes the MAC key different from other keys that are derived from the same secret."""

_log = structlog.get_logger("tickets")


class Tickets:
    """Issues and redeems tickets. The key of the MAC is derived from `secret`, which all gateways share."""

    def __init__(self, redis: "Redis", secret: str, clock: Clock) -> None:
        self._redis = redis
        self._mac_key = hmac.digest(secret.encode(), _PURPOSE, "sha256")
        self._clock = clock

    async def issue(self, claims: AccessClaims) -> str:
        """Return a new ticket for `claims`. Raises Refused(503) if Redis is unavailable."""
        ticket = secrets.token_urlsafe(32)
        document = json.dumps({"until": self._clock() + LIFETIME_SECONDS, "claims": claims._asdict()}).encode()
        key = _redis_key(ticket)
        await _call(self._redis.set(key, self._mac(key, document) + document, ex=LIFETIME_SECONDS))
        return ticket

    async def redeem(self, ticket: str) -> AccessClaims:
        """Return the claims of `ticket` and delete it.

        Raises Refused: 401 for an unknown, expired or redeemed ticket, 503 if Redis is unavailable.
        """
        key = _redis_key(ticket)
        # GETDEL reads and deletes atomically, so only one of two concurrent requests gets the claims.
        stored = await _call(self._redis.getdel(key))
        if not isinstance(stored, bytes):
            raise Refused("ticket_invalid")
        mac, document = stored[:32], stored[32:]  # SHA-256: 32 bytes
        if not hmac.compare_digest(mac, self._mac(key, document)):
            _log.error("ticket_unreadable")
            raise Refused("ticket_invalid")
        members = json.loads(document)
        if self._clock() >= members["until"]:
            raise Refused("ticket_invalid")
        return _claims(members["claims"])

    async def close_when_cancelled(self) -> None:
        """Wait until cancelled, then close the connections to Redis."""
        try:
            await asyncio.Event().wait()
        finally:
            await self._redis.aclose()

    def _mac(self, key: str, document: bytes) -> bytes:
        # The MAC covers the Redis key, so that a document copied to another ticket's key is invalid.
        return hmac.digest(self._mac_key, key.encode() + b"\0" + document, "sha256")


async def _call(command: Awaitable[object]) -> object:
    try:
        with redis_faults():
            async with asyncio.timeout(REDIS_TIMEOUT_SECONDS):
                return await command
    except RedisUnavailable as error:
        _log.warning("tickets_unavailable", error=error.reason)
        raise Refused("tickets_unavailable", retry_after=jittered_retry_after(1)) from error


def _redis_key(ticket: str) -> str:
    return f"ticket:{hashlib.sha256(ticket.encode()).hexdigest()}"


def _claims(members: dict[str, Any]) -> AccessClaims:
    return AccessClaims(**{**members, "roles": tuple(members["roles"])})
