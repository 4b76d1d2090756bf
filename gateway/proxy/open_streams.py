"""Owns the streams that are open: answers that outlive the moment in which their request was let through.

A stream ends when a new request by the same client would be refused: when its access token expires, with the same
leeway, or once its session or subject is revoked. One that a session cookie opened goes on for as long as the session
lives, under tokens that are renewed ahead of their end. No stream has a timer: all are looked at together, twice a
second.

Failure policy: what cannot be renewed or looked up ends as a request would be refused, never earlier; clients of
streams reconnect.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from chassis.clock import Clock
from contract.claims import AccessClaims
from contract.problems import Refused, spread
from gateway.browser_sessions.sessions import RENEW_AFTER
from gateway.pipeline.authorize import authorize
from gateway.routing.routes import Route
from gateway.tokens.principal import Principal

PAUSE = 0.5
"""Seconds between two looks; a revocation that this worker knows of ends a stream within them."""

DRAINING = "draining"
"""The code under which streams end because the worker goes."""

End = Callable[[str], None]
"""Ends a stream, for the reason that a refusal's code says."""

Confirm = Callable[[AccessClaims], None]
"""Returns where a request with these claims would be let through. Raises Refused."""

Renew = Callable[[str], Awaitable[AccessClaims]]
"""The claims of the token that a session handle is good for now. Raises Refused."""

_log = structlog.get_logger("open_streams")


@dataclass(slots=True, eq=False)
class OpenStream:
    """One stream and whose it is: `claims` is None where anybody may listen. `ended_by` says why it was ended."""

    route: Route
    claims: AccessClaims | None
    handle: str
    end: End
    ended_by: str = ""
    renewal: asyncio.Task[None] | None = None

    def is_due(self, now: float) -> bool:
        """Whether its token is to be renewed, at `now` seconds since the epoch."""
        if not self.handle or self.claims is None or self.renewal is not None:
            return False
        return now >= self.claims.issued_at + (self.claims.expires_at - self.claims.issued_at) * RENEW_AFTER


class OpenStreams:
    """The streams of one worker, at most `limit`."""

    def __init__(self, confirm: Confirm, renew: Renew, clock: Clock, limit: int) -> None:
        self._confirm = confirm
        self._renew = renew
        self._clock = clock
        self._limit = limit
        self._open: set[OpenStream] = set()

    def __len__(self) -> int:
        return len(self._open)

    def open(self, route: Route, principal: Principal | None, end: End) -> OpenStream:
        """Watches over a stream on `route` until it is closed; `end` is called once, where it has to end before.

        Raises Refused(503) at the limit.
        """
        if len(self._open) >= self._limit:
            raise Refused("streams_exhausted", retry_after=spread(5))
        claims, handle = (principal.claims, principal.handle) if principal is not None else (None, "")
        stream = OpenStream(route, claims, handle, end)
        self._open.add(stream)
        return stream

    def close(self, stream: OpenStream) -> None:
        """Is told that a stream is over, however it came to be."""
        self._open.discard(stream)
        if stream.renewal is not None:
            stream.renewal.cancel()

    def end_all(self) -> None:
        """Ends every stream: the worker goes, and their clients are to find another one."""
        for stream in tuple(self._open):
            self._end(stream, DRAINING)

    async def sweep(self) -> None:
        """Enforces until cancelled."""
        while True:
            await asyncio.sleep(PAUSE)
            self.enforce()

    def enforce(self) -> None:
        """Ends what may not go on, and renews what goes on under a token that is near its end."""
        now = self._clock()
        for stream in tuple(self._open):
            if code := self._objection(stream):
                self._end(stream, code)
            elif stream.is_due(now):
                stream.renewal = asyncio.create_task(self._go_on(stream))

    def _objection(self, stream: OpenStream) -> str:
        if stream.claims is None:
            return ""
        try:
            self._confirm(stream.claims)
        except Refused as refused:
            return refused.code
        return ""

    async def _go_on(self, stream: OpenStream) -> None:
        try:
            claims = await self._renew(stream.handle)
            authorize(claims, stream.route)  # a role may have been taken away meanwhile
        except Refused as refused:
            if refused.status in (401, 403):
                self._end(stream, refused.code)
            else:  # the token in hand is good for a while, and the next look tries again
                _log.warning("stream_token_renewal_failed", reason=refused.code)
        else:
            stream.claims = claims
        finally:
            stream.renewal = None

    def _end(self, stream: OpenStream, code: str) -> None:
        if not stream.ended_by:
            stream.ended_by = code
            stream.end(code)
