"""Find out whether a client that has closed its sending side is still there.

A half-closed client and one that is gone look alike to a server: the input ends. Only data that is sent to a client
which is gone brings a reset. So an HTTP/1.1 client that waits for a response while half-closed is sent an interim
`100 Continue`: RFC 9110 15.2 has every client accept one at any time, and it soon shows a client that is gone.
HAProxy waits for the response in either case; nginx and Envoy give up the request in either case.

Once a response has started, and in HTTP/1.0, no interim response can be sent. There a pause of some seconds means
that the client is gone. An event stream has no end to wait for; it ends when the client's input ends.
"""

import asyncio
import select
import socket
from enum import Enum, auto

from gateway.server.request_cycle import RequestCycle

PROBE = b"HTTP/1.1 100 Continue\r\n\r\n"

PROBE_WAIT = 0.05
"""Seconds from a probe to the first check of the connection. The sweep finds a client that is further away."""

PROBE_INTERVAL = 5.0
"""Seconds between two probes."""

_PEER_HAS_CLOSED = getattr(select, "POLLRDHUP", 0)  # Linux has it, macOS does not
_BROKEN = select.POLLERR | select.POLLHUP | select.POLLNVAL


class Presence(Enum):
    """What the kernel knows of a client."""

    THERE = auto()
    HALF_CLOSED = auto()
    GONE = auto()


def presence(transport: asyncio.Transport) -> Presence:
    """Return the state of the client of `transport`, also while reading is paused.

    The loop does not report the end of the input then, so the kernel is asked.
    """
    connection: socket.socket | None = transport.get_extra_info("socket")
    if connection is None or connection.fileno() < 0:
        return Presence.GONE
    poll = select.poll()
    poll.register(connection.fileno(), _PEER_HAS_CLOSED)
    events = poll.poll(0)
    if not events:
        return Presence.THERE
    return Presence.GONE if events[0][1] & _BROKEN else Presence.HALF_CLOSED


class Step(Enum):
    """What to do about a client that waits for its response."""

    WAIT = auto()
    PROBE = auto()
    GIVE_UP = auto()


class ClientCheck:
    """Check whether a client that may be gone is still worth the work. Times are the loop's, in seconds.

    `timeout` bounds each silence of a response to a half-closed client that cannot be probed.
    """

    __slots__ = ("_give_up_at", "_last_progress", "_probed_at", "_timeout")

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._probed_at = float("-inf")
        self._last_progress: tuple[RequestCycle, int] | None = None
        self._give_up_at = float("inf")

    def step(self, transport: asyncio.Transport, cycle: RequestCycle, now: float, *, half_closed: bool) -> Step:
        """Return what to do at `now` about the client of `transport`."""
        found = presence(transport)
        if found is Presence.GONE:
            return Step.GIVE_UP
        if found is Presence.HALF_CLOSED or half_closed:
            return self.half_closed_step(cycle, now)
        return Step.WAIT

    def half_closed_step(self, cycle: RequestCycle, now: float) -> Step:
        """Return what to do at `now` about a half-closed client; the caller sends the probe."""
        if cycle.is_event_stream:
            return Step.GIVE_UP
        if not cycle.started and cycle.request.http_version == "1.1":
            if now <= self._probed_at + PROBE_INTERVAL:
                return Step.WAIT
            self._probed_at = now
            return Step.PROBE
        if (cycle, cycle.parts_sent) != self._last_progress:
            self._last_progress = cycle, cycle.parts_sent
            self._give_up_at = now + self._timeout
        return Step.GIVE_UP if now > self._give_up_at else Step.WAIT
