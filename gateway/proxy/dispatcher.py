"""Dispatch every request of a worker: forward it, reply to it, or pass it to the gateway's own endpoints.

A request that does not have to wait is forwarded by callbacks; any other request gets a task. Requests for upstreams
are never passed to the WSGI application.
"""

import itertools
import secrets
from collections.abc import Awaitable, Collection

import structlog

from chassis.clock import Clock
from chassis.tracing.trace_context import current_trace
from contract.problems import Refused
from gateway.http.gateway_paths import FORWARD_AUTH, GatewayPaths
from gateway.http.request import Request, RequestRecord
from gateway.observability.access_log import AccessLog
from gateway.observability.request_counts import RequestCounts
from gateway.observability.request_tracing import RequestTracing
from gateway.pipeline.cors import Cors, cors_lines
from gateway.pipeline.forward_auth import logged_request, original_request, response_headers
from gateway.pipeline.pipeline import AdmittedRequest, Pipeline
from gateway.proxy.buffered_exchange import BufferedExchange
from gateway.proxy.errors import ExchangeAborted
from gateway.proxy.exchange import IDEMPOTENT_METHODS
from gateway.proxy.forwarder import Forwarder
from gateway.proxy.gateway_endpoints import GatewayEndpoints
from gateway.proxy.local_reply import LocalReply, refusal_reply
from gateway.proxy.open_streams import OpenStreams
from gateway.rate_limits.concurrency import ClientGone, ConcurrencyLimiter
from gateway.server.request_cycle import RequestCycle
from gateway.suspendable import resume, run
from gateway.upstream_connections.connection_pool import KEEPALIVE_EXPIRY, NON_RETRYABLE_MAX_IDLE
from gateway.upstream_connections.errors import UpstreamFailed
from gateway.upstreams.registry import UpstreamRegistry

_UNTIMED = (0, 101)
"""Statuses of responses that take as long as the client wants: those that were cut off, and WebSockets."""

_log = structlog.get_logger("dispatcher")


class Dispatcher:
    """Dispatches the requests of one worker, and records their responses."""

    def __init__(
        self,
        pipeline: Pipeline,
        upstreams: UpstreamRegistry,
        streams: OpenStreams,
        endpoints: GatewayEndpoints,
        gateway_paths: GatewayPaths,
        cors: Cors,
        request_counts: RequestCounts | None,
        access_log: AccessLog | None,
        clock: Clock,
        *,
        websocket_idle_timeout: float,
        tracing: RequestTracing | None = None,
    ) -> None:
        self.gateway_paths = gateway_paths
        self._endpoint_prefixes = (FORWARD_AUTH, *gateway_paths.prefixes)
        self.server_methods = frozenset({"OPTIONS", "CONNECT"})
        """Methods whose requests may be for the gateway itself, on any path. Such a request gets a task."""
        self._pipeline = pipeline
        self._match_stage = pipeline.match_stage
        self._upstreams = upstreams
        self._concurrency = ConcurrencyLimiter()
        self._forwarder = Forwarder(pipeline, upstreams, streams, self._concurrency, websocket_idle_timeout, clock)
        self._endpoints = endpoints
        self._cors = cors
        self._request_counts = request_counts
        self._access_log = access_log
        self.clock = clock
        self._tracing = tracing
        # The random part differs between workers and restarts, the counter between requests.
        self._id_prefix = secrets.token_hex(8)
        self._request_counter = itertools.count(1)

    def next_request_id(self) -> str:
        """Return an id that no other request of any worker has."""
        return "%s%08x" % (self._id_prefix, next(self._request_counter))  # noqa: UP031 - as in access_log.py

    def begin(self, cycle: RequestCycle) -> None:
        """Answer the request of `cycle`: by callbacks if it does not have to wait, otherwise in a task."""
        started = self.clock()
        request = cycle.request
        if self._tracing is not None:
            self._tracing.begin(request, cycle.record)
        known = request.known_fields
        if (known is None or known.section.origin is not None) and (
            origin := self._cors.allowed_origin(request)
        ) is not None:
            cycle.cors_lines = self._cors_lines(request, origin)
        path = request.path
        # A quick check for the paths of most requests: `internal` has the public endpoints too.
        is_endpoint_path = path in self.gateway_paths.internal or path.startswith(self._endpoint_prefixes)
        if cycle.is_blocked or request.method in self.server_methods or is_endpoint_path:
            self._start_task(cycle, started, self._respond(cycle, started))
            return
        try:
            self._start_admission(cycle, started)
        except Refused as refused:
            status = cycle.respond(*refusal_reply(refused, request.request_id))
            self._record(request, cycle.record, status, started, refused.code, _logged_reason(refused))
        except Exception:  # noqa: BLE001 - the client gets a response in any case
            _log.exception("unhandled_exception", request_id=request.request_id)
            status = cycle.respond(*refusal_reply(Refused("internal_error"), request.request_id))
            self._record(request, cycle.record, status, started)

    def _is_for_gateway(self, request: Request) -> bool:
        return self.gateway_paths.contains(request.path, request.server)

    # --- by callbacks --------------------------------------------------------------------------------------------

    def _start_admission(self, cycle: RequestCycle, started: float) -> None:
        """Admit the request and forward it at once, or continue its admission in a task. Raises Refused."""
        admission = self._pipeline.admit(cycle.request, cycle.record)
        try:
            awaitable = admission.send(None)
        except StopIteration as finished:
            admitted: AdmittedRequest = finished.value
        else:
            self._start_task(cycle, started, self._admit_and_forward(cycle, resume(admission, awaitable)))
            return
        try:
            is_forwarded = self._forward_at_once(cycle, admitted, started)
        except UpstreamFailed:  # the idle connection was closing; the task uses another one
            is_forwarded = False
        if not is_forwarded:
            self._start_task(cycle, started, self._forwarder.forward(cycle, admitted))

    def _forward_at_once(self, cycle: RequestCycle, admitted: AdmittedRequest, started: float) -> bool:
        """Forward the request by callbacks, or in a task if there is no idle connection.

        Return False, and do nothing, if its route or its body requires a task, or if it has to wait for a slot.
        Raises Refused, and UpstreamFailed if the idle connection is closed.
        """
        route, matched = admitted.route, admitted.matched
        has_body = matched.has_body
        if (has_body and (cycle.more_body or matched.chunked)) or route.max_answer is not None:
            return False
        if matched.is_websocket:
            return False
        pool = self._upstreams.pool_for(route.upstream, cycle.request.client)
        is_retryable = not has_body and cycle.request.method in IDEMPOTENT_METHODS
        if route.concurrency_limit is not None:
            slot = self._concurrency.try_acquire(route)
            if slot is None:
                return False
            cycle.on_end = slot.release
        max_idle = KEEPALIVE_EXPIRY if is_retryable else NON_RETRYABLE_MAX_IDLE
        connection = pool.take_idle(self._upstreams.loop.time(), max_idle)
        if connection is None:
            self._start_task(cycle, started, self._forwarder.forward(cycle, admitted, pool))
        else:
            BufferedExchange(self, cycle, admitted, pool, connection, started).start()
        return True

    def response_sent(self, exchange: BufferedExchange, status: int) -> None:
        """Record the response; `status` is 0 if it could not be sent."""
        self._record(exchange.cycle.request, exchange.cycle.record, status, exchange.started)

    def continue_streaming(self, exchange: BufferedExchange) -> None:
        """Continue an exchange whose response cannot be sent at once."""
        self._start_task(exchange.cycle, exchange.started, self._forwarder.resume(exchange))

    # --- in a task -----------------------------------------------------------------------------------------------

    def _start_task(self, cycle: RequestCycle, started: float, response: Awaitable[int | None]) -> None:
        serving = self._serve(cycle, started, response, cycle.request)
        cycle.task = self._upstreams.loop.create_task(cycle.run(serving))

    async def _serve(
        self, cycle: RequestCycle, started: float, response: Awaitable[int | None], logged: Request
    ) -> None:
        """Await `response` and record its status for the request `logged`. None means that it is recorded elsewhere.

        A refusal becomes a problem details response. After an aborted exchange the connection is closed instead.
        """
        code = reason = ""
        if self._tracing is not None:
            current_trace.set(cycle.record.trace)
        try:
            status = await response
        except Refused as refused:
            code, reason = refused.code, _logged_reason(refused)
            status = await refusal_reply(refused, logged.request_id).send(cycle)
        except ClientGone:
            status = 0
        except ExchangeAborted as aborted:
            status, code = 0, aborted.code
        except Exception:  # noqa: BLE001 - the client gets a response in any case
            _log.exception("unhandled_exception", request_id=logged.request_id)
            status = 500
            if not cycle.started:
                await refusal_reply(Refused("internal_error"), logged.request_id).send(cycle)
        if status is not None:
            self._record(logged, cycle.record, status, started, code, reason)

    async def _respond(self, cycle: RequestCycle, started: float) -> int | None:
        """Respond to a request that may be for the gateway itself; forward any other. Raises as Forwarder.forward."""
        request = cycle.request
        # Before preflights: a proxy would read the 204 of a preflight as permission to forward the request.
        if self.gateway_paths.is_forward_auth(request.path, request.server):
            original = original_request(request)
            await self._serve(cycle, started, self._decide_forward_auth(cycle, original), logged_request(original))
            return None
        if self._cors.is_preflight(request):
            headers = self._cors.preflight_headers(request, self._methods_at(request))
            return await LocalReply(204, headers).send(cycle)
        if self._is_for_gateway(request):
            await self._endpoints.serve(cycle)  # the Flask application logs its requests itself
            return None
        if (
            request.method in self.server_methods
            and (allow := self._match_stage.own_allow_value(request)) is not None
        ):
            return await LocalReply(204, [(b"allow", allow.encode("ascii"))]).send(cycle)
        return await self._admit_and_forward(cycle, run(self._pipeline.admit(request, cycle.record)))

    async def _admit_and_forward(self, cycle: RequestCycle, admission: Awaitable[AdmittedRequest]) -> int:
        return await self._forwarder.forward(cycle, await admission)

    async def _decide_forward_auth(self, cycle: RequestCycle, original: Request) -> int:
        decision = await run(self._pipeline.admit(original, cycle.record, is_forwarded=False))
        return await LocalReply(200, response_headers(decision)).send(cycle)

    def _cors_lines(self, request: Request, origin: bytes) -> bytes:
        route = self._match_stage.routes_of(request).get(request.method)
        return cors_lines(origin, route.expose_headers if route is not None else b"")

    def _methods_at(self, request: Request) -> Collection[str]:
        """Return the methods of the routes at the request's path; empty for an endpoint of the gateway."""
        return () if self._is_for_gateway(request) else self._match_stage.routes_of(request).keys()

    def _record(
        self, request: Request, record: RequestRecord, status: int, started: float, code: str = "", reason: str = ""
    ) -> None:
        """Record a response; `status` is 0 if it was cut off. `code` and `reason` are for the access log."""
        seconds = self.clock() - started
        counts = self._request_counts
        if counts is None:
            pass
        elif status in _UNTIMED or record.is_stream:
            counts.add_untimed(record.route, request.method, status)
        else:
            waited = record.answered_at - record.sent_at if record.sent_at else None
            counts.add(record.route, request.method, status, seconds, waited)
        if self._access_log is not None:
            self._access_log.add(request, record, status, seconds, code, reason)
        if record.trace is not None and self._tracing is not None:
            self._tracing.end(request, record, status, started, started + seconds, code)


def _logged_reason(refused: Refused) -> str:
    """Return the `reason` for the access log: why an Origin was refused; empty for other refusals."""
    return refused.detail if refused.code == "cross_site" else ""
