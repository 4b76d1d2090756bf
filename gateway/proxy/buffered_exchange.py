"""Forward a complete request on an idle connection and send its complete response, by callbacks.

Most requests can be forwarded so. Two callbacks handle a request, without a task, a future or an ASGI message. That
takes 50 us; Exchange takes 70 (one worker, 200 bytes of JSON). If the response has to wait, Exchange continues.
"""

from typing import Protocol

import structlog

from chassis.clock import Clock
from gateway.pipeline.pipeline import AdmittedRequest
from gateway.proxy.response_fields import response_fields
from gateway.server.request_cycle import RequestCycle
from gateway.upstream_connections.connection import UpstreamConnection
from gateway.upstream_connections.connection_pool import ConnectionPool

_log = structlog.get_logger("buffered_exchange")


class ExchangeCallbacks(Protocol):
    """The callbacks of a buffered exchange. It calls one of them when the response has come or has failed."""

    clock: Clock

    def response_sent(self, exchange: "BufferedExchange", status: int) -> None:
        """Record the response; `status` is 0 if it could not be sent."""

    def continue_streaming(self, exchange: "BufferedExchange") -> None:
        """Continue an exchange whose response cannot be sent at once: it is incomplete, failed or has to wait."""


class BufferedExchange:
    """One request and its response. `started` is when the request came, in seconds since the epoch."""

    __slots__ = ("_callbacks", "_is_detached", "admitted", "connection", "cycle", "pool", "started")

    def __init__(
        self,
        callbacks: ExchangeCallbacks,
        cycle: RequestCycle,
        admitted: AdmittedRequest,
        pool: ConnectionPool,
        connection: UpstreamConnection,
        started: float,
    ) -> None:
        self._callbacks = callbacks
        self._is_detached = False
        self.cycle = cycle
        self.admitted = admitted
        self.pool = pool
        self.connection = connection
        self.started = started

    def start(self) -> None:
        """Send the request. Raises UpstreamFailed if the connection is closed; the connection is released then."""
        admitted, connection = self.admitted, self.connection
        route = admitted.route
        self.cycle.on_disconnect = connection.close
        self.cycle.record.sent_at = self._callbacks.clock()
        try:
            connection.start(
                admitted.head(self.pool.host_line),
                self.cycle.take_body(),
                whole=True,
                method=self.cycle.request.method,
                keep_cookies=route.keep_cookies,
                total=route.timeouts.total,
            )
        except BaseException:
            self.cycle.on_disconnect = None
            self.pool.release(connection)
            raise
        connection.call_on_head(self._on_head, route.timeouts.read, buffer=not route.streams)

    def _on_head(self) -> None:
        connection, cycle, pool, admitted = self.connection, self.cycle, self.pool, self.admitted
        is_identity_rejected = (
            connection.cached_head is None and connection.identity_rejection and not admitted.route.public
        )
        if not connection.complete or connection.has_failed or cycle.is_blocked or is_identity_rejected:
            self._callbacks.continue_streaming(self)
            return
        cycle.on_disconnect = None
        cycle.record.answered_at = self._callbacks.clock()
        status = 0
        try:
            if pool.on_response is not None:
                pool.on_response(pool)
            status, cached_head, body = connection.status, connection.cached_head, connection.take_body()
            if cached_head is not None and admitted.route.response_overrides is None and admitted.fresh is None:
                status = cycle.respond_with_cached_head(cached_head, admitted.response_headers, body)
            else:
                status = cycle.respond(status, response_fields(connection, admitted, cycle.request.scheme), body)
        except Exception:  # noqa: BLE001 - the client's connection is closed, and the reason is logged
            status = 0
            _log.exception("request_failed", request_id=cycle.request.request_id)
            cycle.abandon()
        finally:
            pool.release(connection)
            self._callbacks.response_sent(self, status)

    def detach_connection(self) -> UpstreamConnection:
        """Return the connection. The caller has to release it."""
        self._is_detached = True
        return self.connection

    def release_connection(self) -> None:
        """Return the connection to its pool, unless it was detached or released before."""
        if not self._is_detached:
            self._is_detached = True
            self.pool.release(self.connection)
