"""Answers every request that reaches a worker: forwards what the pipeline admits, and has Flask answer the rest.

Requests for upstream routes never enter WSGI. One place turns a refusal into an answer, and one place logs.
"""

import itertools
import secrets
from collections.abc import Awaitable, Collection

import structlog

from chassis.clock import Clock
from contract.problems import PROBLEM_JSON, Refused
from gateway.http.gateway_paths import GatewayPaths
from gateway.http.request import Request
from gateway.http.websocket_handshake import asks_for_websocket
from gateway.observability.access_log import AccessLog
from gateway.observability.metrics import Metrics
from gateway.pipeline.cors import Cors, readable_by
from gateway.pipeline.forward_auth import answer_fields, asked_about, shown
from gateway.pipeline.pipeline import AdmittedRequest, Pipeline
from gateway.proxy.buffered_exchange import BufferedExchange
from gateway.proxy.errors import ExchangeAborted
from gateway.proxy.exchange import IDEMPOTENT_METHODS, Exchange, Send
from gateway.proxy.gateway_endpoints import GatewayEndpoints
from gateway.proxy.open_streams import OpenStreams
from gateway.proxy.websocket_exchange import WebSocketExchange
from gateway.rate_limits.concurrency import ClientGone, ConcurrencyLimiter
from gateway.server.request_cycle import RequestCycle
from gateway.server.request_head_cache import RequestHeadCache
from gateway.suspendable import resume, run
from gateway.upstream_connections.connection_pool import (
    KEEPALIVE_EXPIRY,
    NON_RETRYABLE_MAX_IDLE,
    ConnectionPool,
)
from gateway.upstream_connections.errors import UpstreamFailed
from gateway.upstreams.registry import UpstreamRegistry

Headers = list[tuple[bytes, bytes]]
Answer = tuple[int, Headers, bytes]
"""Status, fields and body."""

_MISUNDERSTOOD = frozenset({"bad_request", "bad_path", "bad_header", "headers_too_large", "target_too_long"})
"""After these the connection ends: who sends such a request may have meant another one."""

_PERHAPS_OURS = frozenset({"OPTIONS", "CONNECT"})

_log = structlog.get_logger("dispatcher")


class Dispatcher:
    """What a worker does with its requests."""

    def __init__(
        self,
        pipeline: Pipeline,
        upstreams: UpstreamRegistry,
        streams: OpenStreams,
        endpoints: GatewayEndpoints,
        gateway_paths: GatewayPaths,
        cors: Cors,
        metrics: Metrics,
        access_log: AccessLog | None,
        clock: Clock,
        *,
        websocket_idle: float,
    ) -> None:
        self.request_head_cache = RequestHeadCache()
        self._pipeline = pipeline
        self._upstreams = upstreams
        self._streams = streams
        self._websocket_idle = websocket_idle
        self._endpoints = endpoints
        self.gateway_paths = gateway_paths
        self._concurrency = ConcurrencyLimiter()
        self._cors = cors
        self._metrics = metrics
        self._access_log = access_log
        self._clock = clock
        # Unique among workers and restarts by the random half, among requests by the counter.
        self._id_prefix = secrets.token_hex(8)
        self._counter = itertools.count(1)

    def next_request_id(self) -> str:
        """An id that no other request has, of any worker."""
        return f"{self._id_prefix}{next(self._counter):08x}"

    def begin(self, cycle: RequestCycle) -> None:
        """Answer `cycle`: by callbacks if nothing has to be waited for, else in a task."""
        started = self._clock()
        request = cycle.request
        origin = self._cors.origin(request)
        if origin is not None:
            cycle.cors_lines = self._cors_lines(request, origin)
        if not self._may_be_direct(cycle):
            self._in_task(cycle, self._serve(cycle, started))
            return
        try:
            self._start_admission(cycle, started)
        except Refused as refused:
            status = cycle.respond(*_refusal(refused, request))
            self._record(request, status, started, refused.code, _reason(refused))
        except Exception:  # noqa: BLE001 - the last line of defence: the client gets a response, the log the reason
            _log.exception("unhandled_exception", request_id=request.request_id)
            status = cycle.respond(*_refusal(Refused("internal_error"), request))
            self._record(request, status, started)

    def _in_task(self, cycle: RequestCycle, answering: Awaitable[None]) -> None:
        cycle.task = self._upstreams.loop.create_task(cycle.run(answering))

    # --- directly ------------------------------------------------------------------------------------------------

    def _may_be_direct(self, cycle: RequestCycle) -> bool:
        request = cycle.request
        return not (
            cycle.is_blocked
            or request.method in _PERHAPS_OURS
            or self.gateway_paths.contains(request.path, request.server)
        )

    def _start_admission(self, cycle: RequestCycle, started: float) -> None:
        """Admit the request and forward it at once, or continue its admission in a task. Raises Refused."""
        admission = self._pipeline.admit(cycle.request)
        try:
            awaitable = admission.send(None)
        except StopIteration as finished:
            admitted: AdmittedRequest = finished.value
        else:
            self._in_task(
                cycle, self._serve(cycle, started, self._admit_and_forward(cycle, resume(admission, awaitable)))
            )
            return
        try:
            is_forwarded = self._forward_directly(cycle, admitted, started)
        except UpstreamFailed:  # the idle connection was closing: the task takes another one
            is_forwarded = False
        if not is_forwarded:
            self._in_task(cycle, self._serve(cycle, started, self._forward(cycle, admitted)))

    def _forward_directly(self, cycle: RequestCycle, admitted: AdmittedRequest, started: float) -> bool:
        """Forward the request by callbacks, or else return False. Raises Refused."""
        has_body = admitted.has_body
        if (has_body and (cycle.more_body or admitted.chunked)) or admitted.route.max_answer is not None:
            return False
        if _opens_websocket(admitted, cycle):
            return False
        pool = self._upstreams.pool_for(admitted.route.upstream, cycle.request.client)
        max_idle = (
            KEEPALIVE_EXPIRY
            if cycle.request.method in IDEMPOTENT_METHODS and not has_body
            else NON_RETRYABLE_MAX_IDLE
        )
        if admitted.route.concurrency_limit is not None:
            slot = self._concurrency.try_acquire(admitted.route)
            if slot is None:
                return False
            cycle.on_end = slot.release
        connection = pool.take_idle(self._upstreams.loop.time(), max_idle)
        if connection is None:
            self._in_task(cycle, self._serve(cycle, started, self._forward(cycle, admitted, pool=pool)))
            return True
        BufferedExchange(self, cycle, admitted, pool, connection, started).start()
        return True

    def response_sent(self, exchange: BufferedExchange, status: int) -> None:
        """Record the response; `status` is 0 if it could not be sent."""
        self._record(exchange.cycle.request, status, exchange.started)

    def continue_streaming(self, exchange: BufferedExchange) -> None:
        """Continue an exchange whose response cannot be sent at once."""
        self._in_task(exchange.cycle, self._resume(exchange))

    async def _resume(self, direct: BufferedExchange) -> None:
        try:
            await self._serve(
                direct.cycle, direct.started, self._forward(direct.cycle, direct.admitted, direct=direct)
            )
        finally:
            direct.release_connection()

    # --- in a task -----------------------------------------------------------------------------------------------

    async def _serve(
        self, cycle: RequestCycle, started: float, forwarding: Awaitable[tuple[int, str]] | None = None
    ) -> None:
        """Respond to a request in a task, and record the response. `forwarding` continues an admission."""
        request = cycle.request
        code = reason = ""
        try:
            if forwarding is not None:
                status, code = await forwarding
            # Before preflights: a proxy would take a response to one as permission to pass.
            elif self.gateway_paths.is_forward_auth(request.path, request.server):
                asked = asked_about(request)
                request = shown(asked)
                status = await self._answer_asked(asked, cycle.send)
            elif self._cors.is_preflight(request):
                fields = self._cors.preflight_headers(request, self._methods_at(request))
                status = await _answer_empty(fields, cycle.send)
            elif self.gateway_paths.contains(request.path, request.server):
                await self._endpoints.serve(cycle)
                return  # the Flask application logs its responses itself
            elif request.method in _PERHAPS_OURS and (allow := self._pipeline.answered_here(request)) is not None:
                status = await _answer_empty([(b"allow", allow.encode("ascii"))], cycle.send)
            else:
                status, code = await self._admit_and_forward(cycle, run(self._pipeline.admit(request)))
        except Refused as refused:
            code, reason = refused.code, _reason(refused)
            status = await _refuse(refused, cycle, cycle.send)
        except ClientGone:
            status = 0
        except Exception:  # noqa: BLE001 - the last line of defence: the client gets an answer, the log the reason
            _log.exception("unhandled_exception", request_id=request.request_id)
            status = 500
            if not cycle.started:
                await _refuse(Refused("internal_error"), cycle, cycle.send)
        self._record(request, status, started, code, reason)

    async def _admit_and_forward(self, cycle: RequestCycle, admission: Awaitable[AdmittedRequest]) -> tuple[int, str]:
        return await self._forward(cycle, await admission)

    async def _forward(
        self,
        cycle: RequestCycle,
        admitted: AdmittedRequest,
        *,
        pool: ConnectionPool | None = None,
        direct: BufferedExchange | None = None,
    ) -> tuple[int, str]:
        """Forward an admitted request. Return the status and, for a stream that the gateway ended, the error code.

        The status is 0 for an incomplete response: the connection ends with it. Raises Refused before the response.
        """
        exchange = None
        try:
            exchange = self._exchange(admitted, cycle)
            if direct is not None:
                await exchange.resume(direct.pool, direct.detach_connection())
            else:
                await self._run(exchange, admitted, cycle, pool)
        except Refused as refused:
            if admitted.fresh is not None:
                refused.headers = {**refused.headers, **admitted.fresh.to_headers()}
            raise
        except (ExchangeAborted, ClientGone):
            return 0, exchange.end_code if exchange is not None else ""
        return exchange.status, ""

    def _cors_lines(self, request: Request, origin: bytes) -> bytes:
        route = self._pipeline.routes_of(request).get(request.method)
        return readable_by(origin, route.expose_headers if route is not None else b"")

    def _methods_at(self, request: Request) -> Collection[str]:
        """The methods of the routes at the path of `arrival`; none where the gateway itself answers."""
        own = self.gateway_paths.contains(request.path, request.server)
        return () if own else self._pipeline.routes_of(request).keys()

    async def _run(
        self, exchange: Exchange, admitted: AdmittedRequest, cycle: RequestCycle, pool: ConnectionPool | None
    ) -> None:
        """Has the exchange run once its body is here and the route has a place for it. Raises as Exchange.run."""
        await exchange.buffer_body()
        if cycle.on_end is not None:  # it has its place already
            return await exchange.run(pool)
        with await self._concurrency.acquire(admitted.route, cycle):
            self._pipeline.confirm(admitted)  # the token may have been revoked since the request was let through
            return await exchange.run(pool)

    def _exchange(self, admitted: AdmittedRequest, cycle: RequestCycle) -> Exchange:
        if _opens_websocket(admitted, cycle):
            return WebSocketExchange(admitted, cycle, self._upstreams, self._streams, self._websocket_idle)
        return Exchange(admitted, cycle, self._upstreams, self._streams)

    async def _answer_asked(self, asked: Request, send: Send) -> int:
        """Says whether `asked` may pass, and as whose, without reading a body. Raises Refused."""
        headers = answer_fields(await run(self._pipeline.admit(asked, is_forwarded=False)))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return 200

    def _record(self, request: Request, status: int, started: float, code: str = "", reason: str = "") -> None:
        self._metrics.responses[status] += 1
        if self._access_log is not None:
            self._access_log.add(request, status, self._clock() - started, code, reason)


def _reason(refused: Refused) -> str:
    """Why an Origin was refused, for the log; empty for refusals that have another cause."""
    return refused.detail if refused.code == "cross_site" else ""


def _opens_websocket(admitted: AdmittedRequest, cycle: RequestCycle) -> bool:
    """Whether the connection is to go on as a WebSocket. Raises Refused(400) for a handshake with a body."""
    if not (admitted.route.websocket and asks_for_websocket(cycle.request)):
        return False
    if admitted.has_body:
        raise Refused("bad_header", "The handshake of a WebSocket has no body.")
    return cycle.can_upgrade


async def _refuse(refused: Refused, cycle: RequestCycle, send: Send) -> int:
    status, headers, body = _refusal(refused, cycle.request)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
    return status


async def _answer_empty(headers: Headers, send: Send) -> int:
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
    return 204


def _refusal(refused: Refused, request: Request) -> Answer:
    body = refused.to_body(request.request_id)
    headers = [
        (b"content-type", PROBLEM_JSON.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *(
            (name.lower().encode(), value.encode("latin-1"))
            for name, value in refused.to_headers().items()
            if name != "Cache-Control"
        ),
    ]
    if refused.code in _MISUNDERSTOOD:
        headers.append((b"connection", b"close"))
    return refused.status, headers, body
