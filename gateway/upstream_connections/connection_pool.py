"""Owns the connections to one address of an upstream: kept open, bounded, and swept for deadlines.

Deadlines are checked ten times a second for all connections together: a timer of its own for each exchange
would cost the loop more than everything else here, and would go off in a loop that is late before what has come is
read.
"""

import asyncio
import random
import socket
from collections import deque
from collections.abc import Callable

from contract.problems import Refused, spread
from gateway.routing.routes import Address
from gateway.routing.upstream_tls import tls_reason
from gateway.upstream_connections.connection import UpstreamConnection
from gateway.upstream_connections.errors import Unreachable
from gateway.upstream_connections.response_head_cache import ResponseHeadCache
from gateway.upstream_connections.unexpected_bodies import Surplus
from gateway.upstream_connections.write_coalescing import WriteCoalescer

KEEPALIVE_EXPIRY = 60
"""Seconds after which an idle connection is closed. Our services keep theirs longer, so the gateway closes first."""

MAX_KEEPALIVE_CONNECTIONS = 32
"""Idle connections kept per address. More would block other clients: a gunicorn worker accepts about a thousand."""

EXCESS_KEEPALIVE_EXPIRY = 1
"""Seconds after which idle connections beyond MAX_KEEPALIVE_CONNECTIONS are closed."""

NON_RETRYABLE_MAX_IDLE = 1
"""Seconds. A request that must not be sent twice uses no connection that was idle for longer, because the upstream
may be closing that connection."""

BODILESS_QUARANTINE = 0.1
"""Seconds for which a connection is not reused after a response without a body (to HEAD, 204, 304). A faulty service
sends a body within this time, which would be read as the response to the next request. See docs/decisions/0023."""


class ConnectionPool:
    """The connections to one address; `limit` bounds those in use. The last one given back is taken first.

    A connection carries no further request after `max_age` seconds (more or less a tenth, so that they are not all
    made anew at one moment) or `max_requests`; 0 means no bound.
    """

    def __init__(self, address: Address, limit: int, *, max_age: float = 0, max_requests: int = 0) -> None:
        self.address = address
        self._max_age = max_age
        self._max_requests = max_requests
        self._is_retired = False
        self.host_line = f"Host: {address.authority}\r\n".encode("ascii")
        self._limit = limit
        self._response_head_cache = ResponseHeadCache()
        self._write_coalescer = WriteCoalescer()
        self._surplus = Surplus(address.name)
        self._connecting = 0
        self._opening: dict[asyncio.Timeout, float] = {}
        """When each connection that is being made must have been made, in loop time."""
        self.on_response: Callable[[ConnectionPool], None] | None = None
        """Called with this pool when an answer has begun; None while that changes nothing, as it nearly always is."""
        self._forgotten_answer = float("-inf")
        """Loop time of the latest answer on a connection that there no longer is."""
        self._idle: list[UpstreamConnection] = []
        self._resting: deque[UpstreamConnection] = deque()
        self._in_use: set[UpstreamConnection] = set()

    @property
    def outstanding(self) -> int:
        """How many exchanges are under way."""
        return len(self._in_use) + self._connecting

    def record_activity(self) -> None:
        """Record that the service has just sent something on a connection that there no longer is."""
        self._forgotten_answer = asyncio.get_running_loop().time()

    def responded_within(self, seconds: float) -> bool:
        """Whether an answer ended, or a part of one came, in the last so many seconds.

        Computed when asked, so that an answer that comes whole records nothing for it.
        """
        since = asyncio.get_running_loop().time() - seconds
        connections = (*self._idle, *self._resting, *self._in_use)
        latest = (max(connection.idle_since, connection.heard_at) for connection in connections)
        return self._forgotten_answer > since or any(time > since for time in latest)

    def take_idle(self, now: float, max_idle: float) -> UpstreamConnection | None:
        """An open connection that idled at most `max_idle` seconds at the loop time `now`, or None."""
        if self._resting:
            self._end_rests(now)
        while self._idle and self.outstanding < self._limit:
            connection = self._idle.pop()
            if connection.is_open:
                if now - connection.idle_since > max_idle:
                    self._idle.append(connection)
                    return None
                self._in_use.add(connection)
                return connection
            self._forget(connection)
        return None

    async def connect(self, timeout: float) -> UpstreamConnection:
        """A new connection within `timeout` seconds. Raises Unreachable, or Refused(503) at the limit, at once."""
        if self.outstanding >= self._limit:
            raise Refused("upstream_busy", retry_after=spread(1))
        self._connecting += 1
        try:
            connection = await self.open(timeout)
        finally:
            self._connecting -= 1
        if self._is_retired:
            connection.retires_at = 0
        self._in_use.add(connection)
        return connection

    def keep_unused(self, connection: UpstreamConnection) -> None:
        """Keeps a connection that was made for a request which went another way."""
        self._in_use.discard(connection)
        connection.idle_since = asyncio.get_running_loop().time()
        if self._is_retired:
            connection.close()
        else:
            self._idle.append(connection)

    async def open(self, timeout: float) -> UpstreamConnection:
        """A connection beside the pool, whose owner closes it. Raises Unreachable."""
        loop = asyncio.get_running_loop()

        retires_at = loop.time() + self._max_age * random.uniform(0.9, 1.1)  # noqa: S311 - spreads load, no secret

        def protocol() -> UpstreamConnection:
            return UpstreamConnection(
                loop,
                self._response_head_cache,
                self._write_coalescer,
                self._surplus,
                max_requests=self._max_requests,
                retires_at=retires_at if self._max_age else float("inf"),
            )

        try:
            async with asyncio.timeout(None) as bound:  # the sweep sets it off
                self._opening[bound] = loop.time() + timeout
                try:
                    _, connection = await self._connect(loop, protocol)
                finally:
                    self._opening.pop(bound, None)
        except OSError as error:  # TimeoutError and SSLError are such
            raise Unreachable(tls_reason(error) or type(error).__name__) from error
        return connection

    async def _connect(
        self, loop: asyncio.AbstractEventLoop, protocol: Callable[[], UpstreamConnection]
    ) -> tuple[asyncio.BaseTransport, UpstreamConnection]:
        if self.address.path:
            return await loop.create_unix_connection(protocol, self.address.path)
        name, port, tls = self.address.host, self.address.port, self.address.tls
        if self.address.is_name and not self.address.ip:
            raise socket.gaierror(socket.EAI_AGAIN, "the name has not been resolved yet")
        host = self.address.ip or name
        if tls is None:
            return await loop.create_connection(protocol, host, port)
        return await loop.create_connection(protocol, host, port, ssl=tls, server_hostname=name)

    def release(self, connection: UpstreamConnection) -> None:
        """Ends the exchange on `connection` and keeps it for the next one where it can carry one."""
        self._in_use.discard(connection)
        if connection.end_exchange():
            if connection.is_bodiless:
                self._rest(connection)
            else:
                self._idle.append(connection)
        elif connection.complete:
            self._forget(connection)

    def _rest(self, connection: UpstreamConnection) -> None:
        self._resting.append(connection)
        # The service has no more than `limit` places for this worker, and those that rest hold some of them.
        if self.outstanding + len(self._resting) > self._limit:
            longest = self._resting.popleft()
            longest.close()
            self._forget(longest)

    def _end_rests(self, now: float) -> None:
        if self._surplus.is_expected(now):
            while self._resting:
                connection = self._resting.popleft()
                connection.close()
                self._forget(connection)
            return
        while self._resting and now - self._resting[0].idle_since > BODILESS_QUARANTINE:
            self._idle.append(self._resting.popleft())

    def _forget(self, connection: UpstreamConnection) -> None:
        self._forgotten_answer = max(self._forgotten_answer, connection.idle_since)

    def sweep(self, now: float) -> None:
        """Breaks off what is past a deadline and closes what idled too long; `now` is the loop's time."""
        for connection in tuple(self._in_use):
            connection.enforce_deadlines(now)
        for bound in [bound for bound, until in self._opening.items() if now > until]:
            del self._opening[bound]
            bound.reschedule(now)
        self._end_rests(now)
        self._close_expired(now)

    def _close_expired(self, now: float) -> None:
        excess = len(self._idle) - MAX_KEEPALIVE_CONNECTIONS
        oldest = self._idle[0] if self._idle else None  # connections are idle in the order of their release
        if oldest is None or (excess <= 0 and now - oldest.idle_since <= KEEPALIVE_EXPIRY and oldest.is_open):
            return
        for index, connection in enumerate(self._idle):
            expiry = EXCESS_KEEPALIVE_EXPIRY if index < excess else KEEPALIVE_EXPIRY
            if now - connection.idle_since > expiry or now >= connection.retires_at:
                connection.close()
            if not connection.is_open:
                self._forget(connection)
        self._idle = [connection for connection in self._idle if connection.is_open]

    def retire(self) -> None:
        """Closes what idles, and lets every exchange that is under way be the last on its connection."""
        self._is_retired = True
        self.on_response = None
        for connection in self._in_use:
            connection.retires_at = 0
        for connection in (*self._idle, *self._resting):
            connection.close()
        self._idle.clear()
        self._resting.clear()

    def close(self) -> None:
        """Closes every connection."""
        for connection in (*self._idle, *self._resting, *self._in_use):
            connection.close()
        self._idle.clear()
        self._resting.clear()
