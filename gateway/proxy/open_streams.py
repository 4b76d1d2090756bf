"""Close open streams and WebSockets when a new request of the same client would be refused.

A stream ends when its access token expires, with the same leeway as for requests, or when its session or subject is
revoked. A stream that was opened with a session cookie lives as long as the session: its token is renewed before it
expires. All streams of a worker are checked together, twice a second; none has a timer of its own.

Failure policy: if a token cannot be renewed, or revocations are unavailable, a stream ends when a new request with
the same token would be refused, and not earlier. Clients of streams reconnect.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from chassis.clock import Clock
from contract.claims import AccessClaims
from contract.problems import Refused, jittered_retry_after
from gateway.browser_sessions.sessions import RENEW_AFTER
from gateway.pipeline.authorize import authorize
from gateway.routing.routes import Route
from gateway.tokens.principal import Principal

CHECK_INTERVAL = 0.5
"""Seconds between two checks. A stream ends within this time after the worker has received its revocation."""

DRAINING = "draining"
"""The problem code with which streams end when the worker shuts down."""

End = Callable[[str], None]
"""Ends a stream; the argument is a problem code."""

Confirm = Callable[[AccessClaims], None]
"""Raises Refused if a request with these claims would be refused."""

Renew = Callable[[str], Awaitable[AccessClaims]]
"""Returns the claims of the current token of a session handle. Raises Refused."""

_log = structlog.get_logger("open_streams")


@dataclass(slots=True, eq=False)
class OpenStream:
    """One open response or WebSocket."""

    route: Route
    claims: AccessClaims | None
    """The claims of its current token; None on a public route."""
    handle: str
    """The session handle, if the stream was opened with a session cookie; otherwise empty."""
    end: End
    end_code: str = ""
    """The problem code with which the gateway ended it; empty if it did not."""
    renewal: asyncio.Task[None] | None = None
    """The task that renews the token; None if none is running."""

    def is_renewal_due(self, now: float) -> bool:
        """Return whether to renew its token, at `now` seconds since the epoch."""
        if not self.handle or self.claims is None or self.renewal is not None:
            return False
        return now >= self.claims.issued_at + (self.claims.expires_at - self.claims.issued_at) * RENEW_AFTER


class OpenStreams:
    """The open streams of one worker: at most `limit` at once."""

    def __init__(self, confirm: Confirm, renew: Renew, clock: Clock, limit: int) -> None:
        self._confirm = confirm
        self._renew = renew
        self._clock = clock
        self._limit = limit
        self._open: set[OpenStream] = set()

    def __len__(self) -> int:
        return len(self._open)

    def open(self, route: Route, principal: Principal | None, end: End) -> OpenStream:
        """Register a stream on `route`. `end` is called at most once, to end it.

        Raises Refused(503) at the limit.
        """
        if len(self._open) >= self._limit:
            raise Refused("streams_exhausted", retry_after=jittered_retry_after(5))
        claims, handle = (principal.claims, principal.handle) if principal is not None else (None, "")
        stream = OpenStream(route, claims, handle, end)
        self._open.add(stream)
        return stream

    def close(self, stream: OpenStream) -> None:
        """Unregister a stream that has ended."""
        self._open.discard(stream)
        if stream.renewal is not None:
            stream.renewal.cancel()

    def end_all(self) -> None:
        """End every stream because the worker shuts down."""
        for stream in tuple(self._open):
            self._end(stream, DRAINING)

    async def keep_checking(self) -> None:
        """Check all streams at intervals until cancelled."""
        while True:
            await asyncio.sleep(CHECK_INTERVAL)
            self.check()

    def check(self) -> None:
        """End the streams whose clients would be refused now, and start to renew tokens that are about to expire."""
        now = self._clock()
        for stream in tuple(self._open):
            if code := self._refusal_code(stream):
                self._end(stream, code)
            elif stream.is_renewal_due(now):
                stream.renewal = asyncio.create_task(self._renew_token(stream))

    def _refusal_code(self, stream: OpenStream) -> str:
        if stream.claims is None:
            return ""
        try:
            self._confirm(stream.claims)
        except Refused as refused:
            return refused.code
        return ""

    async def _renew_token(self, stream: OpenStream) -> None:
        try:
            claims = await self._renew(stream.handle)
            authorize(claims, stream.route)  # the new token may lack a role of the old one
        except Refused as refused:
            if refused.status in (401, 403):
                self._end(stream, refused.code)
            else:  # the current token is still valid, and the next check tries again
                _log.warning("stream_token_renewal_failed", reason=refused.code)
        else:
            stream.claims = claims
        finally:
            stream.renewal = None

    def _end(self, stream: OpenStream, code: str) -> None:
        if not stream.end_code:
            stream.end_code = code
            stream.end(code)
