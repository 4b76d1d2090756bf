"""Forward one admitted request to its upstream and stream the response to the client.

Failure policy: before the response has begun, a failure of the upstream becomes 502, 503 or 504. After that the
client's connection is closed, so that a truncated response never looks complete. An idempotent request without a body
is sent once more if a kept-alive connection turns out to be dead (RFC 9110 9.2.2, RFC 9112 9.3.1). If no connection
can be made to one address, the next one is tried. Failures of an upstream are reported to its balancer.
"""

import asyncio
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from typing import NoReturn

from chassis.clock import Clock
from contract.problems import Refused, jittered_retry_after
from gateway.pipeline.pipeline import AdmittedRequest
from gateway.proxy.errors import ExchangeAborted
from gateway.proxy.open_streams import OpenStream, OpenStreams
from gateway.proxy.request_body import RequestBody
from gateway.proxy.response_fields import response_fields
from gateway.server.request_cycle import RequestCycle
from gateway.upstream_connections.connection import UpstreamConnection
from gateway.upstream_connections.connection_pool import (
    KEEPALIVE_EXPIRY,
    NON_RETRYABLE_MAX_IDLE,
    ConnectionPool,
)
from gateway.upstream_connections.errors import Unreachable, UpstreamFailed
from gateway.upstreams.registry import UpstreamRegistry

IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""RFC 9110 9.2.2; TRACE is never forwarded."""

EVENT_STREAM = b"text/event-stream"
"""The media type of server-sent events. Such a response has a read timeout and no total timeout."""


class Exchange:
    """One request and its response."""

    def __init__(
        self,
        admitted: AdmittedRequest,
        cycle: RequestCycle,
        upstreams: UpstreamRegistry,
        streams: OpenStreams,
        clock: Clock,
    ) -> None:
        self._admitted = admitted
        self._route = admitted.route
        self._cycle = cycle
        self._upstreams = upstreams
        self._streams = streams
        self._clock = clock
        self._balancer = upstreams.balancer_for(admitted.route.upstream)
        self._body = RequestBody(admitted, cycle.receive)
        self._first_part = b""
        """The part of the body that is sent together with the head, with its chunk framing."""
        self._is_retryable = not admitted.matched.has_body and cycle.request.method in IDEMPOTENT_METHODS
        self._sent_at: float | None = None
        """When the request was sent, in seconds of the balancer's clock; None if BufferedExchange has sent it."""
        self._response_bytes = 0
        """Bytes of the response's body so far; counted only on a route with `max_answer`."""
        self.status = 0
        """Status of the response; 0 until it has begun."""
        self._end_code = ""
        """The problem code with which the gateway ended the stream; empty if it did not."""

    async def buffer_body(self) -> None:
        """Read the part of the body that is sent together with the head. Raises Refused or ExchangeAborted."""
        self._first_part = await self._body.read_first()

    async def run(self, pool: ConnectionPool | None = None) -> None:
        """Send the request and return when the response was sent to the client.

        `pool` is the pool of the chosen address; None if the balancer has not chosen yet. Raises Refused before the
        response has begun, ExchangeAborted after that.
        """
        pool = pool or self._upstreams.pool_for(self._route.upstream, self._cycle.request.client)
        max_idle = KEEPALIVE_EXPIRY if self._is_retryable else NON_RETRYABLE_MAX_IDLE
        idle = pool.take_idle(self._upstreams.loop.time(), max_idle)
        await self._translate_errors(self._send_with_retry(pool, idle))

    async def resume(self, pool: ConnectionPool, connection: UpstreamConnection) -> None:
        """Continue an exchange whose whole request was sent on `connection`. Raises as run."""
        self._body.is_complete = True
        await self._translate_errors(self._send_with_retry(pool, connection, is_sent=True))

    async def _translate_errors(self, exchange: Awaitable[None]) -> None:
        try:
            await exchange
        except UpstreamFailed as failed:
            self._raise_for(failed)
        except Refused as refused:
            if self.status:  # a body exceeded its limit after the response had begun
                raise ExchangeAborted(self._end_code) from refused
            raise

    def _raise_for(self, failed: UpstreamFailed) -> NoReturn:
        """Raise Refused if the client can still get a response for `failed`, otherwise ExchangeAborted."""
        if self.status or failed.reason == "closed":
            raise ExchangeAborted(self._end_code) from failed
        if failed.reason == "overdue" and not self._body.is_complete:
            raise Refused("request_timeout") from failed
        if failed.reason in ("timeout", "overdue"):
            raise Refused("upstream_timeout") from failed
        raise Refused("upstream_failed") from failed

    async def _send_with_retry(
        self, pool: ConnectionPool, idle: UpstreamConnection | None, *, is_sent: bool = False
    ) -> None:
        """Use the idle connection if there is one. If it is stale and the request may be repeated, use a new one."""
        if idle is not None:
            try:
                return await self._exchange_on(pool, idle, is_sent=is_sent)
            except UpstreamFailed as failed:
                if failed.reason != "stale" or not self._is_retryable:
                    raise
        return await self._exchange_on(*await self._connect(pool))

    async def _connect(self, pool: ConnectionPool) -> tuple[ConnectionPool, UpstreamConnection]:
        """Return a new connection to the address of `pool`, or to another address if that one is unreachable."""
        try:
            return await self._balancer.connect(pool, self._route.timeouts.connect)
        except Unreachable as error:
            if self._route.upstream.takes_credentials:
                raise Refused("auth_unavailable", retry_after=jittered_retry_after(1)) from error
            raise Refused("upstream_unreachable") from error

    async def _exchange_on(
        self, pool: ConnectionPool, connection: UpstreamConnection, *, is_sent: bool = False
    ) -> None:
        self._cycle.on_disconnect = connection.close
        upload = None
        try:
            if self._cycle.disconnected:  # before on_disconnect was set, while the connection was made
                raise ExchangeAborted
            if not is_sent:
                self._send_request(pool, connection)
            if not self._body.is_complete:
                upload = asyncio.create_task(self._upload(connection))
            await self._wait_for_head(pool, connection, is_uploading=upload is not None)
            self._check_identity_rejection(connection)
            await self._send_response(connection)
        finally:
            self._cycle.on_disconnect = None
            self._cycle.record.answered_at = self._clock()
            pool.release(connection)
            if upload is not None:
                await _cancel(upload)

    # --- request -------------------------------------------------------------------------------------------------

    def _send_request(self, pool: ConnectionPool, connection: UpstreamConnection) -> None:
        self._sent_at = self._balancer.now()
        self._cycle.record.sent_at = self._clock()
        connection.start(
            self._request_head(pool),
            self._first_part,
            whole=self._body.is_complete,
            method=self._cycle.request.method,
            keep_cookies=self._route.keep_cookies,
            total=self._route.timeouts.total,
        )

    def _request_head(self, pool: ConnectionPool) -> bytes:
        return self._admitted.head(pool.host_line)

    async def _upload(self, connection: UpstreamConnection) -> None:
        while not self._body.is_complete:
            try:
                part = await self._body.read_next()
            except (ExchangeAborted, Refused):
                connection.close()
                raise
            await connection.send_body(part, self._route.timeouts.read)
        connection.mark_request_sent(self._route.timeouts.read)

    # --- response ------------------------------------------------------------------------------------------------

    async def _wait_for_head(
        self, pool: ConnectionPool, connection: UpstreamConnection, *, is_uploading: bool
    ) -> None:
        # The upstream may send nothing during an upload; the read timeout starts when the upload ends.
        try:
            await connection.wait_for_head(0 if is_uploading else self._route.timeouts.read)
        except UpstreamFailed as failed:
            self._report_failure(pool, failed)
            raise
        if pool.on_response is not None:
            pool.on_response(pool)

    def _report_failure(self, pool: ConnectionPool, failed: UpstreamFailed) -> None:
        # A client must not be able to eject an upstream, so during an upload only a timeout of the upstream counts.
        if failed.reason in ("stale", "closed") or not (self._body.is_complete or failed.reason == "timeout"):
            return
        sent_at = self._sent_at
        if sent_at is None:  # BufferedExchange sent it, at most one timeout ago
            sent_at = self._balancer.now() - (self._route.timeouts.read or self._route.timeouts.total)
        self._balancer.record_failure(pool, failed, sent_at)

    def _check_identity_rejection(self, connection: UpstreamConnection) -> None:
        """Raise Refused(502) if the service rejected the identity assertion. Public routes send no assertion."""
        if connection.cached_head is None and connection.identity_rejection and not self._route.public:
            self._upstreams.identity_rejections.record(self._route.upstream.name, connection.identity_rejection)
            raise Refused("identity_rejected")

    async def _send_response(self, connection: UpstreamConnection) -> None:
        stream = self._open_stream(connection)
        if stream is None:
            return await self._copy_response(connection)
        try:
            return await self._copy_response(connection)
        finally:
            self._streams.close(stream)
            self._end_code = stream.end_code

    def _open_stream(self, connection: UpstreamConnection) -> OpenStream | None:
        """Register the response as an open stream if it is one, otherwise return None. Raises Refused(503)."""
        is_event_stream = _is_event_stream(connection.headers)
        if connection.complete or not (self._route.streams or is_event_stream):
            return None
        self._cycle.is_event_stream = is_event_stream
        self._cycle.record.is_stream = True
        stream = self._streams.open(self._route, self._admitted.principal, lambda _: self._cycle.abort())
        connection.remove_total_deadline()
        return stream

    async def _copy_response(self, connection: UpstreamConnection) -> None:
        send = self._cycle.send
        body = connection.take_body()
        self._check_response_size(connection, len(body))
        self.status = connection.status
        headers = response_fields(connection, self._admitted, self._cycle.request.scheme)
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        while not connection.complete:
            await send({"type": "http.response.body", "body": body, "more_body": True})
            body = await connection.read_body(self._route.timeouts.read)
            self._check_response_size(connection, len(body))
        rest = connection.take_body()
        self._check_response_size(connection, len(rest))
        await send({"type": "http.response.body", "body": body + rest, "more_body": False})

    def _check_response_size(self, connection: UpstreamConnection, received: int) -> None:
        """Raise Refused(502) if the body so far, or its Content-Length, exceeds the `max_answer` of the route."""
        limit = self._route.max_answer
        if limit is None:
            return
        self._response_bytes += received
        content_length = 0
        if not connection.complete:  # RFC 9110 8.6: for HEAD and in a 304 it is the length that a GET would return
            lengths = (int(value) for name, value in connection.headers if name == b"content-length")
            content_length = next(lengths, 0)
        if max(self._response_bytes, content_length) > limit:
            raise Refused("answer_too_large")


def _is_event_stream(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    media_types = (value.partition(b";")[0].strip().lower() for name, value in headers if name == b"content-type")
    return EVENT_STREAM in media_types


async def _cancel(upload: asyncio.Task[None]) -> None:
    """Cancel an upload after the response has ended. Raises Refused if the body was refused."""
    upload.cancel()
    with suppress(asyncio.CancelledError, ExchangeAborted, UpstreamFailed):
        await upload
