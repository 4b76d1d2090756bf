"""Detect whether a client that has closed its sending side is still connected.

A server sees the same end of input from a client that has closed only its sending side (half-closed) and from a
client that is gone. Only sending data shows the difference: a client that is gone replies with a TCP reset. So the
gateway probes a half-closed HTTP/1.1 client that waits for a response: it sends an interim `100 Continue`, which
every client must accept at any time (RFC 9110 15.2). HAProxy waits for the response in both cases; nginx and Envoy
abort the request in both cases.

No interim response can be sent in HTTP/1.0, nor once the response has started. In these cases the client counts as
gone after a pause of some seconds. An event stream never ends by itself; it is closed when the client's input ends.
"""

import asyncio
import select
import socket
from enum import Enum, auto

from gateway.server.request_cycle import RequestCycle

PROBE = b"HTTP/1.1 100 Continue\r\n\r\n"

PROBE_WAIT = 0.05
"""Seconds from a probe to the first check for a reset. The deadline sweep, once a second, sees a later reset."""

PROBE_INTERVAL = 5.0
"""Seconds between two probes."""

_PEER_HAS_CLOSED = getattr(select, "POLLRDHUP", 0)  # Linux has it, macOS does not
_BROKEN = select.POLLERR | select.POLLHUP | select.POLLNVAL


class Presence(Enum):
    """The state of a client's connection, as the kernel reports it."""

    CONNECTED = auto()
    HALF_CLOSED = auto()
    GONE = auto()


def presence(transport: asyncio.Transport) -> Presence:
    """Return the state of the client of `transport`, also while reading is paused.

    The event loop does not report the end of the input while reading is paused, so this polls the socket.
    """
    connection: socket.socket | None = transport.get_extra_info("socket")
    if connection is None or connection.fileno() < 0:
        return Presence.GONE
    poll = select.poll()
    poll.register(connection.fileno(), _PEER_HAS_CLOSED)
    events = poll.poll(0)
    if not events:
        return Presence.CONNECTED
    return Presence.GONE if events[0][1] & _BROKEN else Presence.HALF_CLOSED


class Step(Enum):
    """The next step for a client that waits for its response."""

    WAIT = auto()
    PROBE = auto()
    ABORT = auto()


class ClientCheck:
    """The check of one client: wait, probe or abort. Times are the event loop's, in seconds.

    `timeout` is the longest pause, in seconds, in a response to a half-closed client that cannot be probed.
    """

    __slots__ = ("_abort_at", "_last_progress", "_probed_at", "_timeout")

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._probed_at = float("-inf")
        self._last_progress: tuple[RequestCycle, int] | None = None
        self._abort_at = float("inf")

    def step(self, transport: asyncio.Transport, cycle: RequestCycle, now: float, *, half_closed: bool) -> Step:
        """Return the step at `now` for the client of `transport`, which waits for the response of `cycle`.

        `half_closed` is whether the event loop has reported the end of the client's input.
        """
        state = presence(transport)
        if state is Presence.GONE:
            return Step.ABORT
        if state is Presence.HALF_CLOSED or half_closed:
            return self.half_closed_step(cycle, now)
        return Step.WAIT

    def half_closed_step(self, cycle: RequestCycle, now: float) -> Step:
        """Return the step at `now` for a half-closed client; the caller sends the probe."""
        if cycle.is_event_stream:
            return Step.ABORT
        if not cycle.started and cycle.request.http_version == "1.1":
            if now <= self._probed_at + PROBE_INTERVAL:
                return Step.WAIT
            self._probed_at = now
            return Step.PROBE
        if (cycle, cycle.parts_sent) != self._last_progress:
            self._last_progress = cycle, cycle.parts_sent
            self._abort_at = now + self._timeout
        return Step.ABORT if now > self._abort_at else Step.WAIT
