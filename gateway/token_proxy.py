"""Answers every request that reaches a worker: forwards what the pipeline admits, and has Flask answer the rest.

Requests for upstream routes never enter WSGI. One place turns a refusal into an answer, and one place logs.
"""

import itertools
import secrets
from collections.abc import Awaitable, Callable, Collection
from contextlib import nullcontext
from typing import Any
from urllib.parse import unquote_to_bytes

import structlog

from chassis.clock import Clock
from contract.problems import PROBLEM_JSON, Refused
from gateway.access_log import AccessLog
from gateway.arrival import Arrival
from gateway.clients.cycle import Cycle, Message
from gateway.clients.known_requests import KnownRequests
from gateway.cors import Cors, readable_by
from gateway.direct_exchange import DirectExchange
from gateway.exchange import IDEMPOTENT, CutOff, Exchange, Send
from gateway.forward_auth import answer_fields, asked_about, shown
from gateway.framing import check_target
from gateway.headers import own_fields, read_request_fields
from gateway.metrics import Metrics
from gateway.own_paths import OwnPaths
from gateway.pipeline import Passage, Pipeline
from gateway.rate_limits.concurrency import ClientGone, Concurrency
from gateway.rate_limits.limits import SessionLimit
from gateway.request_limits import DEFAULT_LIMITS, RequestLimits
from gateway.streams.open_streams import OpenStreams
from gateway.streams.websocket_exchange import WebSocketExchange
from gateway.streams.websocket_handshake import asks_for_websocket
from gateway.upstreams.connection_pool import FRESH, IDLE_LIMIT, ConnectionPool
from gateway.upstreams.upstream import Upstreams

ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
Answer = tuple[int, list[tuple[bytes, bytes]], bytes]
"""Status, fields and body."""

SESSION_PATH = b"/session"

OWN_MAX_BODY = 16_384
"""Bytes."""

_MISUNDERSTOOD = frozenset({"bad_request", "bad_path", "bad_header", "headers_too_large", "target_too_long"})
"""After these the connection ends: who sends such a request may have meant another one."""

_PERHAPS_OURS = frozenset({"OPTIONS", "CONNECT"})

_ASGI = {"version": "3.0", "spec_version": "2.3"}
_log = structlog.get_logger("token_proxy")


class TokenProxy:
    """What a worker does with its requests."""

    def __init__(
        self,
        pipeline: Pipeline,
        upstreams: Upstreams,
        streams: OpenStreams,
        own_endpoints: ASGIApp,
        own_paths: OwnPaths,
        session_limit: SessionLimit,
        cors: Cors,
        metrics: Metrics,
        access_log: AccessLog | None,
        clock: Clock,
        *,
        websocket_idle: float,
        request_limits: RequestLimits = DEFAULT_LIMITS,
    ) -> None:
        self.known_requests = KnownRequests()
        self._pipeline = pipeline
        self._upstreams = upstreams
        self._streams = streams
        self._websocket_idle = websocket_idle
        self._request_limits = request_limits
        self._own_endpoints = own_endpoints
        self._own_paths = own_paths
        self._session_limit = session_limit
        self._concurrency = Concurrency()
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

    def begin(self, cycle: Cycle) -> None:
        """Answers `cycle`: with callbacks where nothing has to be waited for, else in a task."""
        started = self._clock()
        origin = self._cors.origin(cycle.arrival)
        if origin is not None:
            cycle.cors_lines = self._cors_lines(cycle.arrival, origin)
        passage = None
        if self._may_be_direct(cycle):
            try:
                passage = self._pipeline.admit_known(cycle.arrival)
                if passage is not None and self._forward_directly(cycle, passage, started):
                    return
            except Refused as refused:
                status = cycle.answer(*_refusal(refused, cycle.arrival))
                self._record(cycle.arrival, status, started, refused.code, _reason(refused))
                return
            except Exception:  # noqa: BLE001 - the long way has an answer to whatever it was
                _log.exception("unhandled exception", request_id=cycle.arrival.request_id)
        self._in_task(cycle, self._serve(cycle, started, passage))

    def _in_task(self, cycle: Cycle, answering: Awaitable[None]) -> None:
        cycle.task = self._upstreams.loop.create_task(cycle.run(answering))

    # --- directly ------------------------------------------------------------------------------------------------

    def _may_be_direct(self, cycle: Cycle) -> bool:
        arrival = cycle.arrival
        return not (
            cycle.is_blocked or arrival.method in _PERHAPS_OURS or self._own_paths.has(arrival.path, arrival.server)
        )

    def _forward_directly(self, cycle: Cycle, passage: Passage, started: float) -> bool:
        has_body = passage.has_body
        if (has_body and (cycle.more_body or passage.chunked)) or passage.route.max_answer is not None:
            return False
        if _opens_websocket(passage, cycle):
            return False
        pool = self._upstreams.pool(passage.route.upstream, cycle.arrival.client)
        max_idle = IDLE_LIMIT if cycle.arrival.method in IDEMPOTENT and not has_body else FRESH
        if passage.route.bound is not None:
            place = self._concurrency.take(passage.route)
            if place is None:
                return False
            cycle.on_over = place.give_back
        connection = pool.take_idle(self._upstreams.loop.time(), max_idle)
        if connection is None:
            self._in_task(cycle, self._serve(cycle, started, passage, pool=pool))
            return True
        DirectExchange(self, cycle, passage, pool, connection, started).start()
        return True

    def answered(self, direct: DirectExchange, status: int) -> None:
        """Called once a request was answered directly."""
        self._record(direct.cycle.arrival, status, direct.started)

    def take_over(self, direct: DirectExchange) -> None:
        """Called where more is needed to answer."""
        self._in_task(direct.cycle, self._resume(direct))

    async def _resume(self, direct: DirectExchange) -> None:
        try:
            await self._serve(direct.cycle, direct.started, direct.passage, direct)
        finally:
            direct.release()

    # --- in a task -----------------------------------------------------------------------------------------------

    async def _serve(
        self,
        cycle: Cycle,
        started: float,
        passage: Passage | None,
        direct: DirectExchange | None = None,
        pool: ConnectionPool | None = None,
    ) -> None:
        arrival = cycle.arrival
        send: Send = cycle.send
        exchange = None
        code = reason = ""
        try:
            # First of all: a proxy would take the answer to a preflight for a yes.
            if self._own_paths.is_asked(arrival.path, arrival.server):
                asked = asked_about(arrival)
                arrival = shown(asked)
                status = await self._answer_asked(asked, send)
            elif self._cors.is_preflight(arrival):
                status = await self._cors.answer_preflight(arrival, self._methods_at(arrival), send)
            elif self._own_paths.has(arrival.path, arrival.server):
                await self._serve_own(cycle, send)
                return  # Flask's side writes the line of what it answers
            elif arrival.method in _PERHAPS_OURS and (allow := self._pipeline.answered_here(arrival)) is not None:
                status = await _answer_allow(allow, arrival, send)
            else:
                passage = passage or await self._pipeline.admit(arrival)
                exchange = self._exchange(passage, cycle, send)
                if direct is not None:
                    await exchange.resume(direct.pool, direct.claim())
                else:
                    await self._forward(exchange, passage, cycle, pool)
                status = exchange.status
        except Refused as refused:
            if passage is not None and passage.fresh is not None:
                refused.headers = {**refused.headers, **passage.fresh.to_headers()}
            code, reason = refused.code, _reason(refused)
            status = await _refuse(refused, cycle, send)
        except (CutOff, ClientGone):
            status = 0  # returning without an end closes the connection, which is all that can be said
            code = exchange.ended_by if exchange is not None else ""
        except Exception:  # noqa: BLE001 - the last line of defence: the client gets an answer, the log the reason
            _log.exception("unhandled exception", request_id=arrival.request_id)
            status = 500
            if not cycle.started:
                await _refuse(Refused("internal_error"), cycle, send)
        self._record(arrival, status, started, code, reason)

    def _cors_lines(self, arrival: Arrival, origin: bytes) -> bytes:
        route = self._pipeline.routes_of(arrival).get(arrival.method)
        return readable_by(origin, route.expose_headers if route is not None else b"")

    def _methods_at(self, arrival: Arrival) -> Collection[str]:
        """The methods of the routes at the path of `arrival`; none where the gateway itself answers."""
        own = self._own_paths.has(arrival.path, arrival.server)
        return () if own else self._pipeline.routes_of(arrival).keys()

    async def _forward(self, exchange: Exchange, passage: Passage, cycle: Cycle, pool: ConnectionPool | None) -> None:
        """Has the exchange run once its body is here and the route has a place for it. Raises as Exchange.run."""
        await exchange.collect()
        if cycle.on_over is not None:  # it has its place already
            return await exchange.run(pool)
        with await self._concurrency.wait(passage.route, cycle):
            self._pipeline.confirm(passage)  # the token may have been revoked since the request was let through
            return await exchange.run(pool)

    def _exchange(self, passage: Passage, cycle: Cycle, send: Send) -> Exchange:
        arrival = cycle.arrival
        if _opens_websocket(passage, cycle):
            return WebSocketExchange(
                passage, arrival, self._upstreams, self._streams, cycle, send, self._websocket_idle
            )
        return Exchange(passage, arrival, self._upstreams, self._streams, cycle, send)

    async def _answer_asked(self, asked: Arrival, send: Send) -> int:
        """Says whether `asked` may pass, and as whose, without reading a body. Raises Refused."""
        headers = answer_fields(await self._pipeline.vouch_for(asked), asked.request_id)
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return 200

    async def _serve_own(self, cycle: Cycle, send: Send) -> None:
        """Has the gateway's own endpoints answer, which see no field that is the gateway's to say. Raises Refused."""
        arrival = cycle.arrival
        check_target(arrival.path, arrival.query, self._request_limits)
        fields = read_request_fields(arrival.headers, arrival.http_version, self._request_limits)
        self._metrics.note_withheld(len(fields.withheld) // 4)
        await self._session_limit.check(arrival)
        if fields.chunked or (fields.content_length or 0) > OWN_MAX_BODY:
            raise Refused("body_too_large", f"Bodies here have a Content-Length of at most {OWN_MAX_BODY} bytes.")
        ours = [(b"x-request-id", arrival.request_id.encode()), (b"x-forwarded-for", arrival.client.encode())]
        scope = {
            "type": "http",
            "asgi": _ASGI,
            "http_version": arrival.http_version,
            "method": arrival.method,
            "scheme": arrival.scheme,
            "path": unquote_to_bytes(arrival.path).decode("utf-8", "replace"),
            "raw_path": arrival.path,
            "query_string": arrival.query,
            "root_path": "",
            "headers": own_fields(arrival.headers) + ours,
            "client": (arrival.client, 0),
            "server": arrival.server,
        }
        body = await _whole_body(cycle) if fields.content_length else b""
        with await self._concurrency.logins.wait(cycle) if _is_login(arrival) else nullcontext():
            await self._own_endpoints(scope, _giving(body), send)

    def _record(self, arrival: Arrival, status: int, started: float, code: str = "", reason: str = "") -> None:
        self._metrics.answers[status] += 1
        if self._access_log is not None:
            self._access_log.add(arrival, status, self._clock() - started, code, reason)


def _is_login(arrival: Arrival) -> bool:
    return arrival.method == "POST" and arrival.path.rstrip(b"/") == SESSION_PATH


async def _whole_body(cycle: Cycle) -> bytes:
    """Read here: Flask has a few threads, and slow clients would take them all. Raises CutOff."""
    body = bytearray()
    more = True
    while more:
        message = await cycle.receive()
        if message["type"] != "http.request":
            raise CutOff
        body += message["body"]
        more = message["more_body"]
    return bytes(body)


def _giving(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _reason(refused: Refused) -> str:
    """Why an Origin was refused, for the log; empty for refusals that have another cause."""
    return refused.detail if refused.code == "cross_site" else ""


def _opens_websocket(passage: Passage, cycle: Cycle) -> bool:
    """Whether the connection is to go on as a WebSocket. Raises Refused(400) for a handshake with a body."""
    if not (passage.route.websocket and asks_for_websocket(cycle.arrival)):
        return False
    if passage.has_body:
        raise Refused("bad_header", "The handshake of a WebSocket has no body.")
    return cycle.may_switch


async def _refuse(refused: Refused, cycle: Cycle, send: Send) -> int:
    status, headers, body = _refusal(refused, cycle.arrival)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
    return status


async def _answer_allow(allow: str, arrival: Arrival, send: Send) -> int:
    headers = [(b"allow", allow.encode("ascii")), (b"x-request-id", arrival.request_id.encode("ascii"))]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
    return 204


def _refusal(refused: Refused, arrival: Arrival) -> Answer:
    body = refused.to_body(arrival.request_id)
    headers = [
        (b"content-type", PROBLEM_JSON.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-request-id", arrival.request_id.encode()),
        *(
            (name.lower().encode(), value.encode("latin-1"))
            for name, value in refused.to_headers().items()
            if name != "Cache-Control"
        ),
    ]
    if refused.code in _MISUNDERSTOOD:
        headers.append((b"connection", b"close"))
    return refused.status, headers, body
