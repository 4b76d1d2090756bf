"""The HTTP/1.1 server protocol: reads requests from one client connection and answers them in their order.

It replaces uvicorn's own protocol, whose only timeout is that of idle connections. The connection ends if a header
section is too large or too slow, a body is too slow, or the client does not read its response.
"""

import asyncio
from typing import Any, cast

import structlog
from uvicorn.config import Config
from uvicorn.server import ServerState

from contract.problems import Refused
from gateway.server.application import Application
from gateway.server.client_presence import PROBE, PROBE_WAIT, ClientCheck, Step
from gateway.server.client_transport import ClientTransport, NextProtocol, UpgradedConnection
from gateway.server.connection_deadlines import NEVER, ConnectionDeadlines
from gateway.server.malformed_requests import FinalResponse
from gateway.server.request_builder import RequestBuilder
from gateway.server.request_cycle import RequestCycle
from gateway.server.request_parser import MalformedRequest, RequestHead, RequestParser
from gateway.server.request_pipeline import RequestPipeline

DRAIN_SECONDS = 5.0
"""Seconds for which a worker that is stopping keeps an idle connection open for one more request."""

_MALFORMED = Refused("bad_request", "The request is not well-formed HTTP/1.1.")
_TIMEOUT = Refused("request_timeout")
_log = structlog.get_logger("server_protocol")


class ServerProtocol:
    """One client connection. Times are the event loop's, in seconds."""

    __slots__ = (
        "_app",
        "_builder",
        "_client_check",
        "_data_after_upgrade",
        "_deadlines",
        "_final_response",
        "_keep_alive_timeout",
        "_loop",
        "_parser",
        "_requests",
        "_state",
        "client_transport",
        "draining",
    )

    client_transport: ClientTransport
    """Set when the connection is made."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        app: Application = config.app  # type: ignore[assignment]  # uvicorn types it as an ASGI application
        self._app = app
        self._keep_alive_timeout = config.timeout_keep_alive
        self._state = server_state
        self._loop = _loop or asyncio.get_running_loop()
        self._builder = RequestBuilder(app)
        self._requests = RequestPipeline()
        self._parser = RequestParser(self, self._requests)
        self._deadlines = ConnectionDeadlines(app.client_timeouts, self._loop.time())
        self._client_check = ClientCheck(app.client_timeouts.half_closed)
        self._final_response: FinalResponse | None = None
        """The error response to send after all other responses, before the connection closes."""
        self._data_after_upgrade: bytes | None = None
        """Input after a request that asks for an upgrade. It is parsed as HTTP if the upgrade is not granted."""
        self.draining = False
        """Whether the worker is stopping."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start serving a client."""
        # A cast, because uvloop's transports have asyncio's methods but not its base class.
        raw = cast(asyncio.Transport, transport)
        self.client_transport = ClientTransport(raw, self._deadlines, self._loop)
        self._builder.set_connection(raw)
        self._state.connections.add(self)  # type: ignore[arg-type]  # the server only calls its `shutdown`

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the current request and drop the waiting ones: the connection has ended."""
        self._state.connections.discard(self)
        self.client_transport.lost()
        self._requests.drop_waiting()
        if self._requests.current is not None:
            self._requests.current.disconnect()
        self._parser.release()

    def data_received(self, data: bytes) -> None:
        """Serve the request in `data` without the parser if that is possible, or parse `data`."""
        requests, deadlines = self._requests, self._deadlines
        if requests.input_ended:
            return
        deadlines.received_at = self._loop.time()
        deadlines.idle = NEVER
        if requests.current is not None or self._parser.in_head or requests.receiving is not None or self.draining:
            self._parse(data)
            return
        whole = self._builder.without_parser(data)
        if whole is None:
            self._parse(data)
            return
        request, body = whole
        deadlines.head = NEVER
        cycle = RequestCycle(self, request, keep_alive=True, expects_continue=False, body=body)
        cycle.more_body = False
        self._start(cycle)

    def eof_received(self) -> bool | None:
        """Answer the requests of a client that has closed its sending side. Return whether to keep the connection."""
        self.client_transport.half_closed = True
        self._end_input()
        self._start_next()
        if self.client_transport.raw is None:  # there was nothing to answer
            return False
        self._loop.call_later(self._app.client_timeouts.probe_delay, self._check_client)
        return True

    def pause_writing(self) -> None:
        """Make responses wait: the write buffer is full."""
        self.client_transport.pause_writing()

    def resume_writing(self) -> None:
        """Let responses continue: the write buffer has space again."""
        self.client_transport.resume_writing()

    def _parse(self, data: bytes) -> None:
        requests, deadlines, parser = self._requests, self._deadlines, self._parser
        was_idle = not (requests.current or parser.in_head or requests.receiving or self.draining)
        if requests.receiving is not None:
            deadlines.extend_body(len(data))
        try:
            self._data_after_upgrade = parser.feed(data)
        except MalformedRequest as malformed:
            self._end_input(_MALFORMED, str(malformed))
            return
        if self._data_after_upgrade is not None:
            self.client_transport.pause_reading()
        elif was_idle and len(requests.waiting) == 1:
            self._cache_section(data)
        self._start_next()
        if requests.current is None and requests.receiving is None and deadlines.head == deadlines.idle == NEVER:
            deadlines.start_head()
        if parser.bytes_outside_bodies > self._app.max_bytes_outside_bodies:
            self._limit_bytes_outside_bodies()

    def _cache_section(self, data: bytes) -> None:
        """Cache the header section of the only request if `data` is exactly that request."""
        cycle = self._requests.last
        if cycle is not None and not self._parser.in_head and not cycle.more_body and cycle.keep_alive:
            self._builder.cache_section(data, cycle.request)

    def _limit_bytes_outside_bodies(self) -> None:
        if self._requests.receiving is not None:
            self._end_input(_MALFORMED, "chunk extensions or trailers too large")
        elif not self._requests.is_idle:  # reading resumes after their responses
            self.client_transport.pause_reading()
        else:
            self._end_input(Refused("headers_too_large"), "header section too large")

    def head_received(self, head: RequestHead) -> None:
        """Queue a request. Called by the parser."""
        requests = self._requests
        if requests.input_ended:
            return
        self._deadlines.head = NEVER
        self._deadlines.start_body()
        if not requests.is_idle:
            self.client_transport.pause_reading()  # one pipelined request at a time is read ahead
        request, keep_alive = self._builder.from_head(head), head.keep_alive and not self.draining
        # The request starts after all input is parsed, when it is known whether its body is complete.
        requests.append(RequestCycle(self, request, keep_alive=keep_alive, expects_continue=head.expects_continue))

    def _end_input(self, refused: Refused | None = None, reason: str = "") -> None:
        """Ignore further input; answer the complete requests, then send `refused` if given, then close."""
        if self._requests.input_ended and not self._requests.receiving:
            return
        self._deadlines.head = NEVER
        incomplete = self._requests.end_input()
        if refused is not None:
            request_id = incomplete.request.request_id if incomplete is not None else self._app.next_request_id()
            self._final_response = FinalResponse(refused, request_id)
            self._app.malformed_requests.record(
                self._builder.client, refused.status, refused.code, request_id, reason
            )
        if incomplete is not None:
            incomplete.disconnect()
        self._start_next()

    def _start(self, cycle: RequestCycle) -> None:
        self._requests.current = cycle
        if self._builder.is_trusted_proxy:
            cycle.record.is_from_trusted_proxy = True
        try:
            self._app.begin(cycle)
        except Exception:  # noqa: BLE001 - one failed request must not end the worker
            _log.exception("request_failed", request_id=cycle.request.request_id)
            cycle.abandon()

    def _start_next(self) -> None:
        """Start the next request, if none is being answered. After the last one, close or continue to read."""
        if self._requests.current is not None or not self.client_transport.is_open:
            return
        cycle = self._requests.pop()
        if cycle is not None:
            self._start(cycle)
        elif self._requests.input_ended:
            self._send_final_response()
        elif self._data_after_upgrade is not None:  # the upgrade was not granted
            data, self._data_after_upgrade = self._data_after_upgrade, None
            self.client_transport.resume_reading()
            if data:
                self._deadlines.idle = NEVER
                self._parse(data)
            else:
                self._deadlines.idle = self._deadlines.received_at + self._keep_alive_timeout

    def response_ended(self, cycle: RequestCycle) -> None:
        """Start the next request; after the last one, close or continue to read. Called by the current cycle."""
        self._state.total_requests += 1
        requests, transport = self._requests, self.client_transport
        requests.current = None
        if not transport.is_open:
            return
        if not cycle.complete or not cycle.keep_alive:
            self._end_after(cycle)
        elif requests.waiting or requests.input_ended or self._data_after_upgrade is not None:
            self._loop.call_soon(self._start_next)  # a direct call would recurse once per pipelined request
        else:
            self._deadlines.idle = self._loop.time() + self._keep_alive_timeout
            if transport.read_paused:
                transport.resume_reading()
            if self.draining:
                self._loop.call_later(DRAIN_SECONDS, self._close_if_idle)

    def default_response_lines(self, scheme: str) -> bytes:
        """Return the header lines of every response: Date, which uvicorn updates once a second, and the defaults."""
        return b"date: %b\r\n%b" % (self._state.default_headers[0][1], self._app.default_response_lines[scheme])

    @property
    def can_upgrade(self) -> bool:
        """Return whether the current request asks for an upgrade and no other request waits."""
        return self._data_after_upgrade is not None and not self._requests.waiting

    def upgrade(self, next_protocol: NextProtocol) -> UpgradedConnection:
        """Hand the connection over. Raises ConnectionError if the client is gone or did not ask for an upgrade."""
        if self._data_after_upgrade is None:
            raise ConnectionError("the request does not ask for an upgrade")
        return self.client_transport.hand_over(next_protocol), self._data_after_upgrade

    def _end_after(self, cycle: RequestCycle) -> None:
        """Close the connection after its last response, or because the response of `cycle` is incomplete."""
        self._requests.drop_waiting()
        if not cycle.complete and cycle.ends_with_connection:
            self.client_transport.reset()
        elif cycle.started:  # the framing shows the client whether the response is complete
            self._close()
        else:
            self._send_final_response()

    def _send_final_response(self) -> None:
        if self._final_response is not None:
            lines = self.default_response_lines(self._builder.scheme)
            self.client_transport.write(self._final_response.to_bytes(lines))
        self._close()

    def _close(self) -> None:
        """Start a lingering close, so that the client receives what was written."""
        if self.client_transport.is_open:
            self._requests.input_ended = True
            self.client_transport.close(
                self.connection_lost, self._app.client_timeouts.write, is_worker_stopping=self.draining
            )

    def abort_response(self, cycle: RequestCycle) -> None:
        """Close the connection within a response, so that it does not look complete to the client."""
        if cycle.ends_with_connection:
            self.client_transport.reset()
        elif self.client_transport.write_paused:  # the client does not read
            self.client_transport.abort()
        else:
            self._close()

    def shutdown(self) -> None:
        """Close after the current or the next response, or after DRAIN_SECONDS without a request.

        An idle connection is not closed at once, because its client may have just sent a request.
        """
        self.draining = True
        last = self._requests.last
        if self.client_transport.raw is None:
            self.client_transport.start_abort_timer()
        elif last is None:
            self._loop.call_later(DRAIN_SECONDS, self._close_if_idle)
        elif not last.started:
            last.keep_alive = False
        # If the head of the last response is already sent, the connection stays open for one more request: the next
        # response has `Connection: close`. Closing without it could lose a request that the client sends now.

    def _close_if_idle(self) -> None:
        if self._requests.current is None:
            self._close()

    def enforce_deadlines(self, now: float) -> None:
        """End the connection if a deadline has passed at `now`."""
        transport, deadlines, receiving = self.client_transport, self._deadlines, self._requests.receiving
        if transport.next_protocol is not None:
            transport.next_protocol.enforce_deadlines(now)
        elif not transport.is_open:
            return
        elif now > deadlines.write:
            transport.abort()
        elif now > deadlines.head:
            self._end_input(_TIMEOUT if self._parser.in_head else None, "header section not complete in time")
        elif receiving is not None and not transport.read_paused and deadlines.is_body_late(now, receiving.started):
            self._end_input(_TIMEOUT, "body not complete in time")
        elif now > deadlines.idle:
            self._close()
        elif transport.half_closed or transport.read_paused:
            self._check_client()
        elif self._parser.in_head and self._requests.current is None:  # it began during the last response
            deadlines.head = min(deadlines.head, now + self._app.client_timeouts.head)

    def _check_client(self) -> None:
        """Abort the current response if its client is gone; probe a client that has closed its sending side."""
        cycle, transport = self._requests.current, self.client_transport
        if cycle is None or transport.raw is None:
            return
        step = self._client_check.step(transport.raw, cycle, self._loop.time(), half_closed=transport.half_closed)
        if step is Step.ABORT:
            transport.abort()
        elif step is Step.PROBE:
            transport.write(PROBE)
            self._loop.call_later(PROBE_WAIT, self._check_client)
