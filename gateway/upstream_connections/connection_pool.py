"""The connection pool of one upstream address: it limits and reuses connections, and enforces their deadlines.

A sweep checks the deadlines of all connections ten times a second. A timer per exchange would cost more than the rest
of the pool. In a delayed event loop it would also fire before the loop has read bytes that arrived in time.
"""

import asyncio
import random
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

from contract.problems import Refused, jittered_retry_after
from gateway.routing.routes import Address
from gateway.routing.upstream_tls import tls_reason
from gateway.upstream_connections.connection import UpstreamConnection
from gateway.upstream_connections.errors import Unreachable
from gateway.upstream_connections.response_head_cache import ResponseHeadCache
from gateway.upstream_connections.unexpected_bodies import UnexpectedBodies
from gateway.upstream_connections.write_coalescing import WriteCoalescer

KEEPALIVE_EXPIRY = 60
"""Seconds after which an idle connection is closed. Our services keep theirs longer, so the gateway closes first."""

MAX_KEEPALIVE_CONNECTIONS = 32
"""Maximum number of idle connections to an address. A gunicorn worker accepts about a thousand connections in all, so
more would leave too few to its other clients."""

EXCESS_KEEPALIVE_EXPIRY = 1
"""Seconds after which idle connections beyond MAX_KEEPALIVE_CONNECTIONS are closed."""

NON_RETRYABLE_MAX_IDLE = 1
"""Seconds. A request that must not be sent twice does not use a connection that was idle for longer, because the
upstream may be closing that connection."""

BODILESS_QUARANTINE = 0.1
"""Seconds for which a connection is not reused after a response without a body (to HEAD, 204, 304). A faulty service
sends a body within this time, which would be read as the response to the next request. See docs/decisions/0023."""


class ConnectionPool:
    """The connections to one address. The connection that became reusable last is reused first."""

    def __init__(self, address: Address, max_connections: int, *, max_age: float = 0, max_requests: int = 0) -> None:
        """Limit the connections in use to `max_connections`, and each one to `max_age` seconds and `max_requests`.

        0 means no limit. A connection beyond its age is closed when its exchange ends, or when it has been idle for
        KEEPALIVE_EXPIRY. Ages vary by 10 %, so that connections opened together do not end together.
        """
        self.address = address
        self.host_line = f"Host: {address.authority}\r\n".encode("ascii")
        self.on_response: Callable[[ConnectionPool], None] | None = None
        """Called when a response begins. None while no failures are recorded, so that a response changes nothing."""
        self._max_connections = max_connections
        self._max_age = max_age
        self._max_requests = max_requests
        self._is_retired = False
        self._response_head_caches = ResponseHeadCache(), ResponseHeadCache(keep_cookies=True)
        self._write_coalescer = WriteCoalescer()
        self._unexpected_bodies = UnexpectedBodies(address.name)
        self._connecting = 0
        self._connect_deadlines: dict[asyncio.Timeout, float] = {}
        """Loop time by which each connection in progress must be established."""
        self._last_response_at = float("-inf")
        """Loop time of the latest recorded activity, or response on a connection that has left the pool."""
        self._idle: list[UpstreamConnection] = []
        """In the order in which they became reusable."""
        self._quarantined: deque[UpstreamConnection] = deque()
        self._in_use: set[UpstreamConnection] = set()

    @property
    def outstanding(self) -> int:
        """Return the number of exchanges in progress."""
        return len(self._in_use) + self._connecting

    @property
    def idle(self) -> int:
        """Return the number of idle connections."""
        return len(self._idle) + len(self._quarantined)

    @property
    def response_head_misses(self) -> int:
        """Return how many heads of responses were in no known form, since the start."""
        return sum(cache.misses for cache in self._response_head_caches)

    # --- acquiring and releasing connections -------------------------------------------------------------------

    def take_idle(self, now: float, max_idle: float) -> UpstreamConnection | None:
        """Return an open connection that was idle for at most `max_idle` seconds at the loop time `now`, or None."""
        if self._quarantined:
            self._end_quarantines(now)
        idle, in_use = self._idle, self._in_use
        while idle and len(in_use) + self._connecting < self._max_connections:
            connection = idle.pop()
            if connection.is_open:
                if now - connection.idle_since > max_idle:
                    idle.append(connection)
                    return None
                in_use.add(connection)
                return connection
            self._keep_response_time(connection)
        return None

    async def connect(self, timeout: float) -> UpstreamConnection:
        """Return a new connection, established within `timeout` seconds.

        Raises Unreachable, and Refused(503) if `max_connections` is reached.
        """
        if self.outstanding >= self._max_connections:
            raise Refused("upstream_busy", retry_after=jittered_retry_after(1))
        self._connecting += 1
        try:
            connection = await self.open_unpooled(timeout)
        finally:
            self._connecting -= 1
        if self._is_retired:
            connection.retires_at = 0.0
        self._in_use.add(connection)
        return connection

    def release(self, connection: UpstreamConnection) -> None:
        """End the exchange on `connection`, and keep the connection if it can be reused."""
        self._in_use.discard(connection)
        if connection.end_exchange():
            if connection.is_bodiless:
                self._quarantine(connection)
            else:
                self._idle.append(connection)
        elif connection.complete:
            self._keep_response_time(connection)

    def keep_unused(self, connection: UpstreamConnection) -> None:
        """Add a new connection to the idle ones, because its request was sent on another connection."""
        self._in_use.discard(connection)
        connection.idle_since = asyncio.get_running_loop().time()
        if self._is_retired:
            connection.close()
        else:
            self._idle.append(connection)

    async def open_unpooled(self, timeout: float) -> UpstreamConnection:
        """Return a new connection, established within `timeout` seconds. The caller closes it. Raises Unreachable."""
        loop = asyncio.get_running_loop()
        age = self._max_age * random.uniform(0.9, 1.1)  # noqa: S311 - spreads load, no secret
        retires_at = loop.time() + age if age else float("inf")

        def protocol() -> UpstreamConnection:
            return UpstreamConnection(
                loop,
                self._response_head_caches,
                self._write_coalescer,
                self._unexpected_bodies,
                max_requests=self._max_requests,
                retires_at=retires_at,
            )

        try:
            async with asyncio.timeout(None) as connect_timeout:  # the sweep ends it
                self._connect_deadlines[connect_timeout] = loop.time() + timeout
                try:
                    _, connection = await self._connect(loop, protocol)
                finally:
                    self._connect_deadlines.pop(connect_timeout, None)
        except OSError as error:  # TimeoutError and SSLError are subclasses
            raise Unreachable(tls_reason(error) or type(error).__name__, error.errno) from error
        return connection

    async def _connect(
        self, loop: asyncio.AbstractEventLoop, protocol: Callable[[], Any]
    ) -> tuple[asyncio.BaseTransport, UpstreamConnection]:
        # Any, because an UpstreamConnection has the methods of asyncio.Protocol but not its base class.
        address = self.address
        if address.path:
            return await loop.create_unix_connection(protocol, address.path)
        if address.is_name and not address.ip:
            raise socket.gaierror(socket.EAI_AGAIN, "the name has not been resolved yet")
        host = address.ip or address.host
        if address.tls is None:
            return await loop.create_connection(protocol, host, address.port)
        return await loop.create_connection(
            protocol, host, address.port, ssl=address.tls, server_hostname=address.host
        )

    # --- signs of life -----------------------------------------------------------------------------------------

    def record_activity(self) -> None:
        """Record that the address reacted just now: it closed a connection or sent a malformed response."""
        self._last_response_at = asyncio.get_running_loop().time()

    def responded_within(self, seconds: float) -> bool:
        """Return whether a response ended, a part of a body arrived, or activity was recorded in the last `seconds`.

        Computed from the connections, so that a response costs no bookkeeping.
        """
        since = asyncio.get_running_loop().time() - seconds
        connections = (*self._idle, *self._quarantined, *self._in_use)
        latest = (max(connection.idle_since, connection.body_received_at) for connection in connections)
        return self._last_response_at > since or any(time > since for time in latest)

    def _keep_response_time(self, connection: UpstreamConnection) -> None:
        """Keep the time of the latest response on a connection that leaves the pool."""
        self._last_response_at = max(self._last_response_at, connection.idle_since)

    # --- quarantine after a response without a body ------------------------------------------------------------

    def _quarantine(self, connection: UpstreamConnection) -> None:
        self._quarantined.append(connection)
        # Quarantined connections are open at the service, so they count towards `max_connections`.
        if self.outstanding + len(self._quarantined) > self._max_connections:
            oldest = self._quarantined.popleft()
            oldest.close()
            self._keep_response_time(oldest)

    def _end_quarantines(self, now: float) -> None:
        """Make connections idle whose quarantine is over; close all of them after a recent unexpected body."""
        if self._unexpected_bodies.came_recently(now):
            while self._quarantined:
                connection = self._quarantined.popleft()
                connection.close()
                self._keep_response_time(connection)
            return
        while self._quarantined and now - self._quarantined[0].idle_since > BODILESS_QUARANTINE:
            self._idle.append(self._quarantined.popleft())

    # --- closing -----------------------------------------------------------------------------------------------

    def sweep(self, now: float) -> None:
        """Enforce the deadlines that lie before the loop time `now`, and close expired idle connections."""
        for connection in tuple(self._in_use):
            connection.enforce_deadlines(now)
        expired = [timeout for timeout, deadline in self._connect_deadlines.items() if now > deadline]
        for connect_timeout in expired:
            del self._connect_deadlines[connect_timeout]
            connect_timeout.reschedule(0)  # before every loop time: it ends at once
        self._end_quarantines(now)
        self._close_expired(now)

    def _close_expired(self, now: float) -> None:
        """Close expired idle connections, unless there is no excess and the oldest one has not expired."""
        excess = len(self._idle) - MAX_KEEPALIVE_CONNECTIONS
        oldest = self._idle[0] if self._idle else None
        if oldest is None or (excess <= 0 and now - oldest.idle_since <= KEEPALIVE_EXPIRY and oldest.is_open):
            return
        for index, connection in enumerate(self._idle):
            expiry = EXCESS_KEEPALIVE_EXPIRY if index < excess else KEEPALIVE_EXPIRY
            if now - connection.idle_since > expiry or now >= connection.retires_at:
                connection.close()
            if not connection.is_open:
                self._keep_response_time(connection)
        self._idle = [connection for connection in self._idle if connection.is_open]

    def retire(self) -> None:
        """Close idle connections now, and every other connection after its current exchange."""
        self._is_retired = True
        self.on_response = None
        for connection in self._in_use:
            connection.retires_at = 0.0
        self._close_idle()

    def close(self) -> None:
        """Close every connection."""
        for connection in tuple(self._in_use):
            connection.close()
        self._close_idle()

    def _close_idle(self) -> None:
        for connection in (*self._idle, *self._quarantined):
            connection.close()
        self._idle.clear()
        self._quarantined.clear()
