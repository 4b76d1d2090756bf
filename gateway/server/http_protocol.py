"""Owns the client's side of a connection: its requests one after the other, within bounds of size and time.

Written for uvicorn's server in the place of its own protocol, which has no deadlines: here a header section that is
too large or too slow, a body that stops coming or drips and an answer that is not taken end the connection.
A sweep looks at the deadlines once a second; timers of their own would cost each request 5 us.
"""

import asyncio
import socket
import struct
from collections import deque
from typing import Any, cast

import httptools
import structlog
from uvicorn.config import Config
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl
from uvicorn.server import ServerState

from contract.problems import Refused
from gateway.http.request import Request
from gateway.server.application import Application
from gateway.server.client_address import UNKNOWN, peer_name
from gateway.server.client_presence import PROBE, PROBE_WAIT, HalfClosedClient, Presence, Step, presence
from gateway.server.final_response import FinalResponse
from gateway.server.lingering_close import LingeringClose
from gateway.server.request_cycle import HandedOver, Heir, RequestCycle
from gateway.server.request_head_cache import CachedRequest, Recalled
from gateway.server.request_parser import RequestHead, RequestReader

MIN_BODY_RATE = 240
"""Bytes a second. A body that comes more slowly, on average, uses up the time that it may be silent."""

DRAIN = 5.0
"""Seconds that an idle connection may still bring a request after it was asked to go."""

_MALFORMED = Refused("bad_request", "The request is not well-formed HTTP/1.1.")
_TIMEOUT = Refused("request_timeout")
_FOREVER = float("inf")
_log = structlog.get_logger("server_protocol")
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # linger: on, for 0 seconds


class ServerProtocol(asyncio.Protocol):
    """One client's connection. Times are the loop's, in seconds."""

    head_timeout = 10.0
    body_timeout = 10.0
    """Bounds each silence within a body."""
    write_timeout = 60.0
    """Bounds how long a client may take nothing of its answer."""
    probe_after = 0.1
    """How long an answer may take before a client that has closed its sending side is probed; most take less."""
    half_closed_timeout = 10.0
    """Bounds each silence of the answer to a client that has closed its sending side and cannot be probed."""

    __slots__ = (
        "_answering",
        "_app",
        "_body_until",
        "_client",
        "_draining",
        "_half_closed",
        "_half_closed_client",
        "_head_until",
        "_heard_at",
        "_heir",
        "_held",
        "_idle_until",
        "_input_is_over",
        "_is_proxy",
        "_keep_alive_timeout",
        "_last_word",
        "_latest",
        "_loop",
        "_overhead",
        "_read_paused",
        "_reader",
        "_reading",
        "_recalled",
        "_request_head_cache",
        "_scheme",
        "_server",
        "_state",
        "_transport",
        "_waiting",
        "_writable",
        "_write_until",
        "write_paused",
    )

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._loop = _loop or asyncio.get_running_loop()
        app: Application = config.app  # type: ignore[assignment]  # uvicorn types it as ASGI, and so it is besides
        self._app = app
        self._request_head_cache = app.request_head_cache
        self._keep_alive_timeout = config.timeout_keep_alive
        self._state = server_state
        self._transport: asyncio.Transport | None = None
        self._reader = RequestReader(self)
        self._client = UNKNOWN
        self._is_proxy = False
        self._server: tuple[str, int | None] | None = None
        self._scheme = "http"
        self._answering: RequestCycle | None = None
        self._reading: RequestCycle | None = None
        self._waiting: deque[RequestCycle] = deque()
        self._writable: asyncio.Future[None] | None = None
        self.write_paused = False
        """Whether the client takes no more at the moment."""
        self._read_paused = False
        self._overhead = 0
        self._draining = False
        self._input_is_over = False
        """Whether nothing that comes from now on is read as HTTP. What came whole before that is still answered."""
        self._last_word: FinalResponse | None = None
        """What is said after the last answer, before the connection closes."""
        self._held: bytes | None = None
        """What follows a request that asks for another protocol: HTTP, unless the request is granted that."""
        self._half_closed = False
        """Whether the client has closed its sending side."""
        self._half_closed_client: HalfClosedClient | None = None
        self._heir: Heir | None = None
        self._latest = b""
        self._recalled: Recalled | None = None
        self._heard_at = self._loop.time()
        self._head_until = self._heard_at + self.head_timeout
        self._body_until = _FOREVER
        self._idle_until = _FOREVER
        self._write_until = _FOREVER

    # --- asyncio.Protocol --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop once."""
        # A cast, because uvloop's transports are asyncio's by shape and not by class.
        self._transport = cast(asyncio.Transport, transport)
        client = get_remote_addr(self._transport)
        self._server = get_local_addr(self._transport)
        self.comes_from(peer_name(client[0]) if client else UNKNOWN, "https" if is_ssl(self._transport) else "http")
        self._state.connections.add(self)  # type: ignore[arg-type]  # the server asks it to shut down, no more

    def comes_from(self, client: str, scheme: str) -> None:
        """Says who is at the other end."""
        self._client = client
        self._scheme = scheme
        self._is_proxy = self._app.trusted_proxies.trusts(client)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop once."""
        self._state.connections.discard(self)
        self._transport = None
        self._waiting.clear()
        if self._answering is not None:
            self._answering.disconnect()
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Called by the loop with what the client sent."""
        if self._input_is_over:
            return
        self._heard_at = self._loop.time()
        self._idle_until = _FOREVER
        if self._answering is not None or self._reader.in_head or self._reading is not None or self._draining:
            self._parse(data)
            return
        # The same bytes as last time on this connection are not even looked up: 2 us.
        recalled = self._recalled if data == self._latest else self._request_head_cache.find(data)
        if recalled is None:
            self._parse(data)
            return
        self._latest, self._recalled = data, recalled
        self._head_until = _FOREVER
        cycle = RequestCycle(self, self._arrival_of(recalled), keep_alive=True, expects_continue=False)
        cycle.more_body = False
        self._start(cycle)

    def _parse(self, data: bytes) -> None:
        at_rest = not (self._answering or self._reader.in_head or self._reading or self._draining)
        self._overhead += len(data)
        if self._reading is not None:
            earned = self._body_until + len(data) / MIN_BODY_RATE
            self._body_until = min(earned, self._heard_at + self.body_timeout)
        try:
            self._held = self._reader.feed(data)
        except httptools.HttpParserError as error:
            self._end_input(_MALFORMED, _reason(error))
            return
        if self._held is not None:
            self.pause_reading()
        elif at_rest and len(self._waiting) == 1:
            self._learn(data, self._waiting[0])
        self._go_on()
        if self._answering is None and self._reading is None and self._head_until == self._idle_until == _FOREVER:
            self._head_until = self._heard_at + self.head_timeout
        if self._overhead > self._app.unread_bytes:
            self._bound_overhead()

    def _learn(self, data: bytes, cycle: RequestCycle) -> None:
        """Remembers `data` where it is one request, whole and without a body, and the parser is at rest again."""
        is_whole = not (self._reader.in_head or cycle.more_body or cycle.has_body)
        if is_whole and cycle.keep_alive and not cycle.expects_continue:
            request = cycle.request
            said = CachedRequest(request.method, request.path, request.query, request.headers, request.http_version)
            self._request_head_cache.learn(data, said)

    def _bound_overhead(self) -> None:
        if self._reading is not None:  # chunk extensions or trailers without end
            self._end_input(_MALFORMED, "chunk extensions or trailers without end")
        elif self._answering is not None or self._waiting:  # the next request's head waits until these are answered
            self.pause_reading()
        else:
            self._end_input(Refused("headers_too_large"), "a header section without end")

    def eof_received(self) -> bool | None:
        """Called by the loop when the client has closed its sending side, or is gone. True keeps the connection."""
        self._half_closed = True
        self._end_input()
        self._go_on()
        if self._transport is None:  # nothing was due, and it is closed
            return False
        self._loop.call_later(self.probe_after, self._look_after_client)
        return True

    def pause_writing(self) -> None:
        """Called by the loop when the client takes no more."""
        self.write_paused = True
        self._writable = self._loop.create_future()
        self._write_until = self._loop.time() + self.write_timeout

    def resume_writing(self) -> None:
        """Called by the loop when the client takes more again."""
        self.write_paused = False
        self._write_until = _FOREVER
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    # --- what the reader tells ---------------------------------------------------------------------------------

    def begin_request(self, head: RequestHead) -> None:
        """Called by the reader."""
        if self._input_is_over:
            return
        self._head_until = _FOREVER
        self._overhead = 0
        keep_alive = head.keep_alive and not self._draining
        cycle = RequestCycle(self, self._request(head), keep_alive=keep_alive, expects_continue=head.expects_continue)
        self._reading = cycle
        self._body_until = self._heard_at + self.body_timeout
        if self._answering is not None or self._waiting:
            self.pause_reading()  # pipelined: nothing more is read until the one before it is answered
        # It starts when all that has come is parsed: only then is it known whether a body follows.
        self._waiting.append(cycle)

    def take_body(self, body: bytes) -> None:
        """Called by the reader."""
        self._overhead = 0
        if self._reading is not None:
            self._reading.feed(body)

    def end_request(self) -> None:
        """Called by the reader."""
        if self._reading is not None:
            self._reading.end_of_body()
            # RFC 9112 9.6: nothing that follows the connection's last request is served.
            self._input_is_over = not self._reading.keep_alive
            self._reading = None

    def _request(self, head: RequestHead) -> Request:
        method, path, query, headers, version, *_ = head
        client, scheme = self._provenance(headers)
        request_id = self._app.next_request_id()
        return Request(request_id, method, path, query, headers, version, client, scheme, self._server)

    def _arrival_of(self, recalled: Recalled) -> Request:
        known, headers, token = recalled
        client, scheme = self._provenance(headers)
        return Request(
            self._app.next_request_id(),
            known.method,
            known.path,
            known.query,
            headers,
            known.http_version,
            client,
            scheme,
            self._server,
            known,
            token,
        )

    def _provenance(self, headers: list[tuple[bytes, bytes]]) -> tuple[str, str]:
        """The client and its scheme: those of the connection, or what a trusted proxy says of them."""
        if not self._is_proxy:
            return self._client, self._scheme
        return self._app.trusted_proxies.provenance(headers, self._client, self._scheme)

    # --- the cycle's connection --------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Sends `data` to the client, if it is still there."""
        if self._transport is not None:
            self._transport.write(data)

    async def drain(self) -> None:
        """Returns when the client takes more, or has gone."""
        if self._writable is not None:
            await asyncio.shield(self._writable)

    def default_response_lines(self, scheme: str) -> bytes:
        """The Date field, made once a second by uvicorn's server, and what else every answer has."""
        return b"date: %b\r\n%b" % (self._state.default_headers[0][1], self._app.default_response_lines[scheme])

    def pause_reading(self) -> None:
        """Reads no more for now."""
        if not self._read_paused and self._transport is not None:
            self._read_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Reads on."""
        if self._read_paused and self._transport is not None:
            self._read_paused = False
            self._transport.resume_reading()
            # It was we who did not listen meanwhile.
            self._heard_at = self._loop.time()
            self._body_until = self._heard_at + self.body_timeout

    # --- one request after the other ---------------------------------------------------------------------------

    def _start(self, cycle: RequestCycle) -> None:
        self._answering = cycle
        try:
            self._app.begin(cycle)
        except Exception:  # noqa: BLE001 - what it took is given back, its client sees the end, and the log says why
            _log.exception("request_failed", request_id=cycle.request.request_id)
            cycle.abandon()

    def finished(self, cycle: RequestCycle) -> None:
        """Goes on to the next request, or closes where this answer was the last one."""
        self._state.total_requests += 1
        self._answering = None
        if self._transport is None or self._transport.is_closing():
            return
        if not cycle.complete or not cycle.keep_alive:
            self._end_after(cycle)
        elif self._waiting or self._input_is_over or self._held is not None:
            self._loop.call_soon(self._go_on)  # not here: a thousand pipelined requests are a deep stack
        else:
            self._idle_until = self._loop.time() + self._keep_alive_timeout
            self.resume_reading()
            if self._draining:
                self._loop.call_later(DRAIN, self._close_if_idle)

    def _go_on(self) -> None:
        """Starts the next request that came whole, or whose body may still come; after the last one, ends."""
        if self._answering is not None or self._transport is None or self._transport.is_closing():
            return
        if self._waiting:
            cycle = self._waiting.popleft()
            if not cycle.disconnected:
                self._start(cycle)
                return
        if self._input_is_over:
            self._end()
        elif self._held is not None:
            held, self._held = self._held, None
            self.resume_reading()
            self._idle_until = self._heard_at + self._keep_alive_timeout
            if held:
                self._idle_until = _FOREVER
                self._parse(held)

    def _end_input(self, refused: Refused | None = None, reason: str = "") -> None:
        """Reads nothing more as HTTP. What came whole is answered, then `refused` is said, then it closes."""
        if self._input_is_over and not self._reading:
            return
        self._input_is_over = True
        self._head_until = _FOREVER
        reading, self._reading = self._reading, None
        if refused is not None:
            request_id = reading.request.request_id if reading is not None else self._app.next_request_id()
            self._last_word = FinalResponse(refused, request_id)
            self._app.malformed_requests.note(self._client, refused.status, refused.code, request_id, reason)
        if reading is not None:  # its end will never come
            reading.disconnect()
        self._go_on()

    # --- ending ------------------------------------------------------------------------------------------------

    def _end_after(self, cycle: RequestCycle) -> None:
        """Ends with an answer that was the last one, or will never be whole."""
        self._waiting.clear()
        if cycle.complete:
            self._close()
        elif cycle.ends_with_connection:
            self._reset()
        elif cycle.started:  # what was sent of it does not look whole
            self._close()
        else:
            self._end()

    def _end(self) -> None:
        """Says the last word, where there is one, and closes."""
        if self._last_word is not None:
            self.write(self._last_word.to_bytes(self.default_response_lines(self._scheme)))
        self._close()

    def _close(self) -> None:
        """Closes in stages: what was sent arrives, and nothing more is read as HTTP or written."""
        if self._transport is None or self._transport.is_closing():
            return
        self._input_is_over = True
        closing = LingeringClose(self._loop, self._transport, self.connection_lost, write_timeout=self.write_timeout)
        self._heir, self._transport = closing, None
        closing.start(half_closed=self._half_closed)
        if self._draining:
            closing.hurry()

    def cut(self, cycle: RequestCycle) -> None:
        """Ends the connection in the middle of an answer; what was sent of it does not look whole."""
        if self._transport is None:
            return
        if cycle.ends_with_connection:
            self._reset()
        elif self.write_paused:  # who reads nothing is not waited for
            self._transport.abort()
        else:
            self._close()

    @property
    def may_switch(self) -> bool:
        """Whether the request that is being answered may go on in another protocol."""
        return self._held is not None and not self._waiting

    def hand_over(self, heir: Heir) -> HandedOver:
        """Gives the connection away to `heir`; from now on only its loss is to be told here."""
        if self._transport is None or self._transport.is_closing() or self._held is None:
            raise ConnectionError("the client has gone")
        transport, self._transport = self._transport, None
        self._heir = heir
        return transport, self._held

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _reset(self) -> None:
        # An orderly end would make the part that was sent look like the whole answer.
        if self._transport is not None:
            connection = self._transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self._transport.abort()

    def shutdown(self) -> None:
        """Asks the connection to go: with the answer it is at, the next one, or after DRAIN seconds of silence.

        Closing an idle connection at once would cut off the request that is already on its way.
        """
        self._draining = True
        last = self._waiting[-1] if self._waiting else self._answering
        if isinstance(self._heir, LingeringClose):
            self._heir.hurry()
        elif last is None:
            self._loop.call_later(DRAIN, self._close_if_idle)
        elif not last.started:
            last.keep_alive = False
        # Where the head of an answer has been sent already, it is the next one that says so: a client that was not
        # told would lose the request which it sends meanwhile.

    def _close_if_idle(self) -> None:
        if self._answering is None:
            self._close()

    # --- deadlines, once a second ------------------------------------------------------------------------------

    def enforce_deadlines(self, now: float) -> None:
        """Ends the connection where a deadline lies before `now`."""
        if self._transport is None:
            if self._heir is not None:
                self._heir.enforce_deadlines(now)
        elif now > self._write_until:
            self._abort()
        elif now > self._head_until:
            has_begun = self._reader.in_head
            self._end_input(_TIMEOUT if has_begun else None, "a header section that did not come in time")
        elif self._body_is_overdue(now):
            self._end_input(_TIMEOUT, "a body that did not come in time")
        elif now > self._idle_until:
            self._close()
        elif self._half_closed or self._read_paused:
            self._look_after_client()
        elif self._reader.in_head and self._answering is None:  # it began to come while another was answered
            self._head_until = min(self._head_until, now + self.head_timeout)

    def _body_is_overdue(self, now: float) -> bool:
        reading = self._reading
        if reading is None or self._read_paused:
            return False
        # Once the answer has begun it may be a conversation, in which nobody has to say much.
        return now > (self._heard_at + self.body_timeout if reading.started else self._body_until)

    def _look_after_client(self) -> None:
        """Ends what is under way for a client that is gone. One that is not read is asked for at the kernel."""
        cycle = self._answering
        if self._transport is None or cycle is None:
            return
        found = presence(self._transport)
        if found is Presence.GONE:
            self._abort()
        elif self._half_closed or found is Presence.HALF_CLOSED:
            self._await_answer(cycle)

    def _await_answer(self, cycle: RequestCycle) -> None:
        """Goes on with the answer to a half-closed client, probes it, or gives it up."""
        client = self._half_closed_client = self._half_closed_client or HalfClosedClient(self.half_closed_timeout)
        step = client.step(cycle, self._loop.time())
        if step is Step.GIVE_UP:
            self._abort()
        elif step is Step.PROBE:
            self.write(PROBE)
            self._loop.call_later(PROBE_WAIT, self._look_after_client)


def _reason(error: httptools.HttpParserError) -> str:
    """What the parser found wrong, in its own fixed words; an exception of ours in its callbacks is logged."""
    if isinstance(error, httptools.HttpParserCallbackError):
        _log.error("request_reader_failed", exc_info=error)
    return str(error)[:80]
