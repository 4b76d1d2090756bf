"""Owns one-time tickets, for pages whose WebSocket or EventSource cannot send the token that they hold.

A ticket is 256 random bits and stands for the claims of the token that was shown for it. It goes into a URL, which a
token never does: so it is good for one request, at whichever gateway, and for LIFETIME seconds at most. Redis holds
its hash, never itself, and the claims under a seal: who can write to Redis can make no ticket.

Failure policy: without Redis there are no tickets, neither new ones nor any to be spent (503). Never one spent twice.
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
from contract.problems import Refused, spread
from gateway.http.request import Request
from gateway.http.websocket_handshake import asks_for_websocket
from gateway.redis_errors import RedisUnavailable, redis_faults
from gateway.routing.routes import Route

LIFETIME = 30
"""Seconds."""
TIMEOUT = 1.0
"""Seconds that a request waits for Redis."""

_PARAMETER = b"ticket"
_PURPOSE = b"sallyport one-time tickets"
_log = structlog.get_logger("tickets")


class Tickets:
    """Issues and spends tickets. `secret` is what the gateways share; the seal's key is derived from it."""

    def __init__(self, redis: "Redis", secret: str, clock: Clock) -> None:
        self._redis = redis
        self._key = hmac.digest(secret.encode(), _PURPOSE, "sha256")
        self._clock = clock

    async def issue(self, claims: AccessClaims) -> str:
        """A ticket for `claims`. Raises Refused(503) without Redis."""
        ticket = secrets.token_urlsafe(32)
        document = json.dumps({"until": self._clock() + LIFETIME, "claims": claims._asdict()}).encode()
        place = _place(ticket)
        await _answer(self._redis.set(place, self._seal(place, document) + document, ex=LIFETIME))
        return ticket

    async def spend(self, ticket: str) -> AccessClaims:
        """The claims that `ticket` stands for, once. Raises Refused: 401 afterwards, 503 without Redis."""
        place = _place(ticket)
        # One command: whoever comes second, wherever, finds nothing.
        sealed = await _answer(self._redis.getdel(place))
        if not isinstance(sealed, bytes):
            raise Refused("ticket_invalid")
        seal, document = sealed[:32], sealed[32:]
        if not hmac.compare_digest(seal, self._seal(place, document)):
            _log.error("ticket_unreadable")
            raise Refused("ticket_invalid")
        known = json.loads(document)
        if self._clock() >= known["until"]:
            raise Refused("ticket_invalid")
        return _claims(known["claims"])

    async def keep_connected(self) -> None:
        """Lets go of Redis when it is cancelled, and not before."""
        try:
            await asyncio.Event().wait()
        finally:
            await self._redis.aclose()

    def _seal(self, place: str, document: bytes) -> bytes:
        # With the place in it, so that no document can be moved to another ticket.
        return hmac.digest(self._key, place.encode() + b"\0" + document, "sha256")


async def _answer(asked: Awaitable[object]) -> object:
    try:
        with redis_faults():
            async with asyncio.timeout(TIMEOUT):
                return await asked
    except RedisUnavailable as error:
        _log.warning("tickets_unavailable", reason=error.reason)
        raise Refused("tickets_unavailable", retry_after=spread(1)) from error


def take_ticket(request: Request, route: Route) -> tuple[Request, str | None]:
    """The ticket in `arrival`, and what of it may be forwarded, where a ticket is a credential on `route`.

    That is for a WebSocket's handshake and for GET on a route of streams. Raises Refused(400) for two of them.
    """
    if not (route.streams and request.method == "GET") and not (route.websocket and asks_for_websocket(request)):
        return request, None
    pairs = request.query.split(b"&")
    tickets = [value for name, _, value in (pair.partition(b"=") for pair in pairs) if name == _PARAMETER]
    if not tickets:
        return request, None
    if len(tickets) > 1:
        raise Refused("multiple_credentials", "There is more than one ticket.")
    kept = b"&".join(pair for pair in pairs if pair.partition(b"=")[0] != _PARAMETER)
    # What was remembered of these bytes has the ticket in it.
    return request._replace(query=kept, known=None, token=""), tickets[0].decode("latin-1")


def may_hold_ticket(request: Request, route: Route) -> bool:
    """Whether take_ticket might find one: a look that costs next to nothing."""
    return (route.streams or route.websocket) and not route.public and b"ticket=" in request.query


def _place(ticket: str) -> str:
    return f"ticket:{hashlib.sha256(ticket.encode()).hexdigest()}"


def _claims(members: dict[str, Any]) -> AccessClaims:
    return AccessClaims(**{**members, "roles": tuple(members["roles"])})
