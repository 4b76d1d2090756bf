"""Owns the client's side of a connection: its requests one after the other, within bounds of size and time.

Written for uvicorn's server in the place of its own protocol, which has no deadlines: here a header section that is
too large or too slow, a body that stops coming or drips and an answer that is not taken end the connection.
A sweep looks at the deadlines once a second; timers of their own would cost each request 5 us.
"""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl
from uvicorn.server import ServerState

from contract.problems import PROBLEM_JSON, Refused
from gateway.arrival import Arrival
from gateway.clients.cycle import STATUS_LINES, Cycle, HandedOver, Heir
from gateway.clients.known_requests import KnownRequest, KnownRequests, Recalled
from gateway.clients.proxy_protocol import ProxyProtocol
from gateway.clients.request_reader import RequestHead, RequestReader
from gateway.clients.trusted_proxies import UNKNOWN, TrustedProxies, peer_name

MIN_BODY_RATE = 240
"""Bytes a second. A body that comes more slowly, on average, uses up the time that it may be silent."""

DRAIN = 5.0
"""Seconds that an idle connection may still bring a request after it was asked to go."""

LINGER = 2.0
"""Seconds that a client may take to read an answer which came before it had sent its whole request."""

_MALFORMED = Refused("bad_request", "The request is not well-formed HTTP/1.1.")
_OF_REFUSALS = ("cache-control: no-store", "connection: close")
_FOREVER = float("inf")
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # linger: on, for 0 seconds


class Application(Protocol):
    """What answers the requests."""

    known_requests: KnownRequests
    unread_bytes: int
    """Bytes that are no body and may come in a row: a bound for memory's sake. The pipeline refuses smaller heads
    with an answer of its own."""
    trusted_proxies: TrustedProxies
    proxy_protocol: ProxyProtocol
    standing_lines: Mapping[str, bytes]

    def next_request_id(self) -> str:
        """An id that no other request has."""

    def begin(self, cycle: Cycle) -> None:
        """Answers `cycle`, now or later."""


class ServerProtocol(asyncio.Protocol):
    """One client's connection. Times are the loop's, in seconds."""

    head_timeout = 10.0
    body_timeout = 10.0
    """Bounds each silence within a body."""
    write_timeout = 60.0
    """Bounds how long a client may take nothing of its answer."""

    __slots__ = (
        "_after_upgrade",
        "_answering",
        "_app",
        "_body_until",
        "_broken",
        "_client",
        "_draining",
        "_head_until",
        "_heard_at",
        "_heir",
        "_idle_until",
        "_is_proxy",
        "_keep_alive_timeout",
        "_known_requests",
        "_latest",
        "_linger_until",
        "_loop",
        "_overhead",
        "_read_paused",
        "_reader",
        "_reading",
        "_recalled",
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
        self._known_requests = app.known_requests
        self._keep_alive_timeout = config.timeout_keep_alive
        self._state = server_state
        self._transport: asyncio.Transport | None = None
        self._reader = RequestReader(self)
        self._client = UNKNOWN
        self._is_proxy = False
        self._server: tuple[str, int | None] | None = None
        self._scheme = "http"
        self._answering: Cycle | None = None
        self._reading: Cycle | None = None
        self._waiting: deque[Cycle] = deque()
        self._writable: asyncio.Future[None] | None = None
        self.write_paused = False
        """Whether the client takes no more at the moment."""
        self._read_paused = False
        self._overhead = 0
        self._draining = False
        self._broken = False
        self._after_upgrade = b""
        self._heir: Heir | None = None
        self._latest = b""
        self._recalled: Recalled | None = None
        self._heard_at = self._loop.time()
        self._head_until = self._heard_at + self.head_timeout
        self._body_until = _FOREVER
        self._idle_until = _FOREVER
        self._linger_until = _FOREVER
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
        for cycle in (self._answering, *self._waiting):
            if cycle is not None and not cycle.complete:
                cycle.disconnect()
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Called by the loop with what the client sent."""
        if self._linger_until != _FOREVER:
            return
        self._heard_at = self._loop.time()
        self._idle_until = _FOREVER
        if self._answering is not None or self._reader.in_head or self._reading is not None or self._draining:
            self._parse(data)
            return
        # The same bytes as last time on this connection are not even looked up: 2 us.
        recalled = self._recalled if data == self._latest else self._known_requests.find(data)
        if recalled is None:
            self._parse(data)
            return
        self._latest, self._recalled = data, recalled
        self._head_until = _FOREVER
        cycle = Cycle(self, self._arrival_of(recalled), keep_alive=True, expects_continue=False)
        cycle.more_body = False
        self._start(cycle)

    def _parse(self, data: bytes) -> None:
        at_rest = not (self._answering or self._reader.in_head or self._reading or self._draining)
        self._overhead += len(data)
        if self._reading is not None:
            earned = self._body_until + len(data) / MIN_BODY_RATE
            self._body_until = min(earned, self._heard_at + self.body_timeout)
        malformed = False
        try:
            self._reader.feed(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.pause_reading()  # RFC 9110 7.8: an upgrade may be ignored; what follows is not HTTP any more
            self._after_upgrade = data[upgrade.args[0] :]
        except httptools.HttpParserError:
            malformed = True
        if at_rest and len(self._waiting) == 1:
            self._learn(data, self._waiting[0])
        self._start_waiting()
        if malformed:
            self._break_off()
        if self._answering is None and self._reading is None and self._head_until == _FOREVER:
            self._head_until = self._heard_at + self.head_timeout
        if self._overhead > self._app.unread_bytes:
            self._bound_overhead()

    def _learn(self, data: bytes, cycle: Cycle) -> None:
        """Remembers `data` where it is one request, whole and without a body, and the parser is at rest again."""
        is_whole = not (self._reader.in_head or cycle.more_body or cycle.has_body)
        if is_whole and cycle.keep_alive and not cycle.expects_continue:
            arrival = cycle.arrival
            said = KnownRequest(arrival.method, arrival.path, arrival.query, arrival.headers, arrival.http_version)
            self._known_requests.learn(data, said)

    def _break_off(self) -> None:
        """Nothing that comes on this connection can be understood any more; answers under way are still given."""
        self._draining = True
        self._broken = True
        if self._answering is None:
            self._refuse(_MALFORMED)
            return
        self.pause_reading()
        self._answering.keep_alive = False
        if self._reading is not None:
            self._reading.disconnect()

    def _bound_overhead(self) -> None:
        if self._reading is not None:  # chunk extensions or trailers without end
            self._break_off()
        elif self._answering is not None:  # the next request's head: it waits until this one is answered
            self.pause_reading()
        else:
            self._refuse(Refused("headers_too_large"))

    def eof_received(self) -> None:
        """Called by the loop; returning None closes the connection."""

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
        self._head_until = _FOREVER
        self._overhead = 0
        keep_alive = head.keep_alive and not self._draining
        cycle = Cycle(self, self._arrival(head), keep_alive=keep_alive, expects_continue=head.expects_continue)
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
            self._reading = None

    def _arrival(self, head: RequestHead) -> Arrival:
        method, path, query, headers, version, *_ = head
        client, scheme = self._provenance(headers)
        request_id = self._app.next_request_id()
        return Arrival(request_id, method, path, query, headers, version, client, scheme, self._server)

    def _arrival_of(self, recalled: Recalled) -> Arrival:
        known, headers, token = recalled
        client, scheme = self._provenance(headers)
        return Arrival(
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

    def standing_lines(self, scheme: str) -> bytes:
        """The Date field, made once a second by uvicorn's server, and what else every answer has."""
        return b"date: %b\r\n%b" % (self._state.default_headers[0][1], self._app.standing_lines[scheme])

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

    def _start(self, cycle: Cycle) -> None:
        self._answering = cycle
        self._app.begin(cycle)

    def _start_waiting(self) -> None:
        if self._answering is None and self._waiting and self._transport is not None:
            self._start(self._waiting.popleft())

    def finished(self, cycle: Cycle) -> None:
        """Goes on to the next request, or closes where this answer was the last one."""
        self._state.total_requests += 1
        self._answering = None
        if self._transport is None or self._transport.is_closing():
            return
        if self._broken and not cycle.started:
            self._refuse(_MALFORMED)
        elif not cycle.complete and cycle.ends_with_connection:
            self._reset()
        elif not cycle.keep_alive:
            self._close(lingering=cycle.complete and cycle.more_body)
        elif self._waiting:
            self._loop.call_soon(self._start_waiting)  # not here: a thousand pipelined requests are a deep stack
        else:
            self._idle_until = self._loop.time() + self._keep_alive_timeout
            self.resume_reading()
            if self._draining:
                self._loop.call_later(DRAIN, self._close_if_idle)

    # --- ending ------------------------------------------------------------------------------------------------

    def _refuse(self, refused: Refused) -> None:
        """Answers what never became a request, and closes; the last answer may have been given already."""
        if self._transport is None or self._transport.is_closing() or self._linger_until != _FOREVER:
            return
        body = refused.to_body("")
        fields = (f"content-type: {PROBLEM_JSON}", f"content-length: {len(body)}", *_OF_REFUSALS, "", "")
        head = "\r\n".join(fields)
        standing = self.standing_lines(self._scheme)
        self._transport.write(STATUS_LINES[refused.status] + standing + head.encode() + body)
        self._close(lingering=True)

    def _close(self, *, lingering: bool) -> None:
        if self._transport is None:
            return
        if not lingering:
            self._transport.close()
            return
        # Closing with unread input resets the connection, and the answer is lost with it: so the client is told
        # that nothing more comes, and what it still sends is dropped for a while.
        self._linger_until = self._loop.time() + LINGER
        self.resume_reading()
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def cut(self, cycle: Cycle) -> None:
        """Ends the connection in the middle of an answer; what was sent of it does not look whole."""
        if self._transport is None:
            return
        if cycle.ends_with_connection:
            self._reset()
        elif self.write_paused:  # who reads nothing is not waited for
            self._transport.abort()
        else:
            self._transport.close()

    def hand_over(self, heir: Heir) -> HandedOver:
        """Gives the connection away to `heir`; from now on only its loss is to be told here."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionError("the client has gone")
        transport, self._transport = self._transport, None
        self._heir = heir
        return transport, self._after_upgrade

    def _reset(self) -> None:
        # An orderly end would make the part that was sent look like the whole answer.
        if self._transport is not None:
            connection = self._transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self._transport.abort()

    def enforce_deadlines(self, now: float) -> None:
        """Ends the connection where a deadline lies before `now`."""
        if self._transport is None:
            if self._heir is not None:
                self._heir.enforce_deadlines(now)
            return
        if (
            now > self._head_until
            or now > self._write_until
            or now > self._linger_until
            or self._body_is_overdue(now)
        ):
            self._transport.abort()
        elif now > self._idle_until:
            self._transport.close()

    def _body_is_overdue(self, now: float) -> bool:
        reading = self._reading
        if reading is None or self._read_paused:
            return False
        # Once the answer has begun it may be a conversation, in which nobody has to say much.
        return now > (self._heard_at + self.body_timeout if reading.started else self._body_until)

    def shutdown(self) -> None:
        """Asks the connection to go: with the answer it is at, the next one, or after DRAIN seconds of silence.

        Closing an idle connection at once would cut off the request that is already on its way.
        """
        self._draining = True
        if self._answering is None:
            self._loop.call_later(DRAIN, self._close_if_idle)
        elif not self._answering.started:
            self._answering.keep_alive = False
        # Where the head of an answer has been sent already, it is the next one that says so: a client that was not
        # told would lose the request which it sends meanwhile.

    def _close_if_idle(self) -> None:
        if self._answering is None and self._transport is not None:
            self._transport.close()
