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
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from redis.asyncio import Redis

from chassis.clock import Clock
from chassis.secret_rotation.watched_secret import Secrets
from contract.claims import AccessClaims
from contract.problems import Refused, jittered_retry_after
from gateway.redis_errors import RedisUnavailable, redis_faults

LIFETIME_SECONDS = 30
"""Lifetime of a ticket."""

REDIS_TIMEOUT_SECONDS = 1.0
"""Maximum time that a request waits for Redis."""

MAX_COMMANDS = 4
"""Commands that are sent to Redis at a time; further requests wait.

Without this limit, many streams that reconnect at once would open as many connections to Redis.
"""

_PURPOSE = b"sallyport one-time tickets"
"""Makes the MAC key different from other keys that are derived from the same secret."""

_log = structlog.get_logger("tickets")


class Tickets:
    """Issues and redeems tickets. The keys of the MACs are derived from the `secrets`, which all gateways share."""

    def __init__(self, redis: "Redis", secrets: Secrets, clock: Clock) -> None:
        self._redis = redis
        self._secrets = secrets
        self._clock = clock
        self._free = asyncio.Semaphore(MAX_COMMANDS)

    async def issue(self, claims: AccessClaims) -> str:
        """Return a new ticket for `claims`. Raises Refused(503) if Redis is unavailable."""
        ticket = secrets.token_urlsafe(32)
        members = claims._asdict()
        if not claims.extra:  # gateways of earlier versions, which may redeem the ticket, do not know the member
            del members["extra"]
        document = json.dumps({"until": self._clock() + LIFETIME_SECONDS, "claims": members}).encode()
        key = _redis_key(ticket)
        mac = _mac(self._secrets.current()[0], key, document)
        await self._call(lambda: self._redis.set(key, mac + document, ex=LIFETIME_SECONDS))
        return ticket

    async def redeem(self, ticket: str) -> AccessClaims:
        """Return the claims of `ticket` and delete it.

        Raises Refused: 401 for an unknown, expired or redeemed ticket, 503 if Redis is unavailable.
        """
        key = _redis_key(ticket)
        # GETDEL reads and deletes atomically, so only one of two concurrent requests gets the claims.
        stored = await self._call(lambda: self._redis.getdel(key))
        if not isinstance(stored, bytes):
            raise Refused("ticket_invalid")
        mac, document = stored[:32], stored[32:]  # SHA-256: 32 bytes
        used = self._secrets.current()
        if not self._is_authentic(mac, key, document) and not (
            self._secrets.has_changed_since(used) and self._is_authentic(mac, key, document)
        ):
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

    async def _call(self, command: Callable[[], Awaitable[object]]) -> object:
        try:
            with redis_faults():
                async with asyncio.timeout(REDIS_TIMEOUT_SECONDS), self._free:
                    return await command()
        except RedisUnavailable as error:
            _log.warning("tickets_unavailable", error=error.reason)
            raise Refused("tickets_unavailable", retry_after=jittered_retry_after(1)) from error

    def _is_authentic(self, mac: bytes, key: str, document: bytes) -> bool:
        macs = [_mac(secret, key, document) for secret in self._secrets.current()]
        return any(hmac.compare_digest(mac, expected) for expected in macs)


def _mac(secret: str, key: str, document: bytes) -> bytes:
    mac_key = hmac.digest(secret.encode(), _PURPOSE, "sha256")
    # The MAC covers the Redis key, so that a document copied to another ticket's key is invalid.
    return hmac.digest(mac_key, key.encode() + b"\0" + document, "sha256")


def _redis_key(ticket: str) -> str:
    return f"ticket:{hashlib.sha256(ticket.encode()).hexdigest()}"


def _claims(members: dict[str, Any]) -> AccessClaims:
    return AccessClaims(**{**members, "roles": tuple(members["roles"])})
