"""Carries one admitted request to its upstream, and the answer back, streaming both ways.

Failure policy: before the answer has begun a fault becomes 502, 503 or 504; after that the client's connection
is cut, so that a short answer never looks whole. What can be sent again without harm (an idempotent method, no
body) is sent once more when a kept connection turns out to be dead (RFC 9110 9.2.2, RFC 9112 9.3.1). What could
not be sent at all goes to another address, where there is one. Who failed to answer is told to the balancer.

A service is asked when the body is whole, or when more than COLLECTED bytes of it are here: many services have a
thread for each request, and a few slow clients would take them all. Only routes for streams hand on what comes as
it comes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import suppress
from typing import Any, NoReturn

from contract.problems import Refused, spread
from gateway.http.request import Request
from gateway.pipeline.pipeline import AdmittedRequest, body_too_large
from gateway.proxy.open_streams import OpenStream, OpenStreams
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

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})  # RFC 9110 9.2.2; TRACE is never forwarded

COLLECTED = 65_536
"""Bytes of a request's body."""

EVENT_STREAM = b"text/event-stream"
"""Server-sent events: such an answer is bounded by silence and by its token, and not by the route's total."""


class CutOff(Exception):
    """The answer had begun and cannot be completed, or nobody is there any more to take it."""


class Exchange:
    """One request and its answer. `status` is 0 until the answer has begun."""

    def __init__(
        self,
        admitted: AdmittedRequest,
        request: Request,
        upstreams: UpstreamRegistry,
        streams: OpenStreams,
        cycle: RequestCycle,
        send: Send,
    ) -> None:
        self._principal = admitted.principal
        self._route = admitted.route
        self._admitted = admitted
        self._method = request.method
        self._client = request.client
        self._scheme = request.scheme
        self._has_body = admitted.has_body
        self._chunked = admitted.chunked
        self._upstreams = upstreams
        self._streams = streams
        self._balancer = upstreams.balancer_for(admitted.route.upstream)
        self._asked_at: float | None = None
        self._cycle = cycle
        self._receive = cycle.receive
        self._send = send
        self._loop = upstreams.loop
        self._taken = 0
        self._given = 0
        self._body_is_whole = not admitted.has_body
        self._first = (b"", True)
        self.status = 0
        self.ended_by = ""
        """The code that says why a stream was ended by the gateway, where it was."""

    async def collect(self) -> None:
        """Receives as much of the request's body as is sent together with the head. Raises Refused or CutOff."""
        if self._has_body:
            self._first = await self._beginning()

    async def run(self, pool: ConnectionPool | None = None) -> None:
        """Sends what was collected, and the rest as it comes; returns when the answer was handed back whole.

        Raises Refused before the answer has begun, CutOff after. `pool` is that of the address to ask, where it has
        been chosen already.
        """
        body, whole = self._first
        pool = pool or self._upstreams.pool_for(self._route.upstream, self._client)
        kept = pool.take_idle(self._loop.time(), KEEPALIVE_EXPIRY if self._is_repeatable else NON_RETRYABLE_MAX_IDLE)
        await self._conclude(self._attempts(pool, kept, body, whole))

    async def resume(self, pool: ConnectionPool, connection: UpstreamConnection) -> None:
        """As run, for a request that is on its way on `connection` already, whole."""
        self._body_is_whole = True
        await self._conclude(self._attempts(pool, connection, b"", True, sent=True))

    @property
    def _is_repeatable(self) -> bool:
        return not self._has_body and self._method in IDEMPOTENT

    async def _conclude(self, attempts: Awaitable[None]) -> None:
        try:
            await attempts
        except UpstreamFailed as failed:
            self._give_up(failed)
        except Refused as refused:
            if self.status:  # the upload, or the answer itself, grew too large while the answer was under way
                raise CutOff from refused
            raise

    async def _attempts(
        self, pool: ConnectionPool, kept: UpstreamConnection | None, body: bytes, whole: bool, *, sent: bool = False
    ) -> None:
        if kept is not None:
            try:
                return await self._attempt(pool, kept, body, whole, sent=sent)
            except UpstreamFailed as failed:
                if failed.reason != "stale" or not self._is_repeatable:
                    raise
        return await self._attempt(*await self._connect(pool), body, whole)

    async def _attempt(
        self, pool: ConnectionPool, connection: UpstreamConnection, body: bytes, whole: bool, *, sent: bool = False
    ) -> None:
        self._cycle.on_disconnect = connection.close
        upload = None
        try:
            if self._cycle.disconnected:  # while the connection was made: nobody would be told of it any more
                raise CutOff
            if not sent:
                self._start(pool, connection, body, whole)
            if not whole:
                upload = asyncio.create_task(self._upload(connection))
            # While the body is on its way the upstream may be silent; _upload then sets the deadline.
            try:
                await connection.wait_for_head(self._route.timeouts.read if whole else 0)
            except UpstreamFailed as failed:
                self._blame(pool, failed)
                raise
            if pool.on_response is not None:
                pool.on_response(pool)
            self._check_rejection(connection)
            await self._hand_back_watched(connection)
        finally:
            self._cycle.on_disconnect = None
            pool.release(connection)
            if upload is not None:
                await _end(upload)

    def _check_rejection(self, connection: UpstreamConnection) -> None:
        """Raises Refused(502) where the service does not believe the assertion that it was sent.

        On a public route it was sent none: the 401 is its own then.
        """
        if connection.cached_head is None and connection.identity_rejection and not self._route.public:
            self._upstreams.identity_rejections.record(self._route.upstream.name, connection.identity_rejection)
            raise Refused("identity_rejected")

    def _start(self, pool: ConnectionPool, connection: UpstreamConnection, body: bytes, whole: bool) -> None:
        self._asked_at = self._balancer.now()
        connection.start(
            self._head(pool),
            body,
            whole=whole,
            method=self._method,
            keep_cookies=self._route.keep_cookies,
            total=self._route.timeouts.total,
        )

    def _head(self, pool: ConnectionPool) -> bytes:
        return self._admitted.head(pool.host_line)

    # --- to the upstream -------------------------------------------------------------------------------------

    async def _connect(self, pool: ConnectionPool) -> tuple[ConnectionPool, UpstreamConnection]:
        try:
            return await self._balancer.connect(pool, self._route.timeouts.connect)
        except Unreachable as error:
            if self._route.upstream.takes_credentials:
                raise Refused("auth_unavailable", retry_after=spread(1)) from error
            raise Refused("upstream_unreachable") from error

    def _blame(self, pool: ConnectionPool, failed: UpstreamFailed) -> None:
        """Tells the balancer what was the upstream's own fault: nothing that a client can bring about by itself."""
        stopped_taking = failed.reason == "timeout"
        if failed.reason in ("stale", "closed") or not (self._body_is_whole or stopped_taking):
            return
        asked_at = self._asked_at
        if asked_at is None:  # sent directly: the earliest moment that the silence it is allowed leaves
            asked_at = self._balancer.now() - (self._route.timeouts.read or self._route.timeouts.total)
        self._balancer.record_failure(pool, failed, asked_at)

    async def _upload(self, connection: UpstreamConnection) -> None:
        """Streams the rest of the body, for as long as the client sends it and the upstream takes it."""
        whole = False
        while not whole:
            try:
                body, whole = await self._next_body()
            except (CutOff, Refused):
                connection.close()
                raise
            await connection.send_body(body, self._route.timeouts.read)
        connection.mark_request_sent(self._route.timeouts.read)

    async def _beginning(self) -> tuple[bytes, bool]:
        """As _next_body, for what is sent together with the head. Raises Refused(408) after the route's total."""
        body, whole = await self._received()
        if not whole and not self._route.streams:
            try:
                async with asyncio.timeout(self._route.timeouts.total or None):
                    body, whole = await self._collected(bytearray(body))
            except TimeoutError as error:
                raise Refused("request_timeout") from error
        return self._framed(body, whole), whole

    async def _collected(self, body: bytearray) -> tuple[bytes, bool]:
        whole = False
        while not whole and len(body) <= COLLECTED:
            part, whole = await self._received()
            body += part
        return bytes(body), whole

    async def _next_body(self) -> tuple[bytes, bool]:
        """The next part of the body, framed for the upstream, and whether it is the last one. Raises as _received."""
        body, whole = await self._received()
        return self._framed(body, whole), whole

    async def _received(self) -> tuple[bytes, bool]:
        """The next part of the body, and whether it is the last one.

        Raises CutOff when the client has hung up, and Refused(413) once there is more than the route takes.
        """
        message = await self._receive()
        if message["type"] != "http.request":
            raise CutOff
        body, whole = message.get("body", b""), not message.get("more_body", False)
        self._taken += len(body)
        self._body_is_whole = whole
        if self._taken > self._route.max_body:
            raise body_too_large(self._route)
        return body, whole

    def _framed(self, body: bytes, whole: bool) -> bytes:
        if not self._chunked:
            return body
        chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
        return chunk + b"0\r\n\r\n" if whole else chunk

    # --- and back --------------------------------------------------------------------------------------------

    async def _hand_back_watched(self, connection: UpstreamConnection) -> None:
        stream = self._opened_stream(connection)
        if stream is None:
            return await self._hand_back(connection)
        try:
            return await self._hand_back(connection)
        finally:
            self._streams.close(stream)
            self.ended_by = stream.ended_by

    def _opened_stream(self, connection: UpstreamConnection) -> OpenStream | None:
        is_event_stream = _is_event_stream(connection.headers)
        if connection.complete or not (self._route.streams or is_event_stream):
            return None
        self._cycle.is_event_stream = is_event_stream
        stream = self._streams.open(self._route, self._principal, lambda _: self._cycle.abort())
        connection.remove_total_deadline()
        return stream

    async def _hand_back(self, connection: UpstreamConnection) -> None:
        body = connection.take_body()
        self._bound(connection, len(body))
        self.status = connection.status
        headers = response_fields(connection, self._admitted, self._scheme)
        await self._send({"type": "http.response.start", "status": self.status, "headers": headers})
        while not connection.complete:
            await self._send({"type": "http.response.body", "body": body, "more_body": True})
            body = await connection.read_body(self._route.timeouts.read)
            self._bound(connection, len(body))
        rest = connection.take_body()
        self._bound(connection, len(rest))
        body += rest
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    def _bound(self, connection: UpstreamConnection, more: int) -> None:
        """Raises Refused(502) where the answer is, or says that it will be, larger than the route lets pass."""
        most = self._route.max_answer
        if most is None:
            return
        self._given += more
        said = 0
        if not connection.complete:  # what is complete has the length it has: HEAD and 304 say another's
            said = next((int(value) for name, value in connection.headers if name == b"content-length"), 0)
        if max(self._given, said) > most:
            raise Refused("answer_too_large")

    def _give_up(self, failed: UpstreamFailed) -> NoReturn:
        if self.status or failed.reason == "closed":
            raise CutOff from failed
        if failed.reason == "overdue" and not self._body_is_whole:
            raise Refused("request_timeout") from failed
        if failed.reason in ("timeout", "overdue"):
            raise Refused("upstream_timeout") from failed
        raise Refused("upstream_failed") from failed


def _is_event_stream(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    media_types = (value.partition(b";")[0].strip().lower() for name, value in headers if name == b"content-type")
    return EVENT_STREAM in media_types


async def _end(upload: asyncio.Task[None]) -> None:
    """Stops an upload that nobody waits for any more. Raises Refused where the upload was refused."""
    upload.cancel()
    with suppress(asyncio.CancelledError, CutOff, UpstreamFailed):
        await upload
