"""Tells a client that has closed its sending side from one that is gone.

Both look alike to a server: the end of what they send. Only data that is sent to a client which is gone brings a
reset. So an HTTP/1.1 client that waits for its answer with a closed sending side is sent an interim `100 Continue`,
which RFC 9110 15.2 has every client accept at any time: it changes nothing for one that is there, and soon shows one
that is not. HAProxy waits for the answer in either case; nginx and Envoy give up the request in either case.

An answer that has begun, and HTTP/1.0, leave no room for an interim answer: there a silence of some seconds counts as
the client's being gone. A stream of events has no end to wait for, and ends with what its client sends.
"""

import asyncio
import select
import socket
from enum import Enum, auto

from gateway.server.request_cycle import RequestCycle

PROBE_WAIT = 0.05
"""Seconds until a probe is looked into for the first time; a client that is further away is found by the sweep."""

PROBE_PAUSE = 5.0
"""Seconds between two probes."""

PROBE = b"HTTP/1.1 100 Continue\r\n\r\n"

_PEER_HAS_CLOSED = getattr(select, "POLLRDHUP", 0)  # Linux has it, macOS does not
_BROKEN = select.POLLERR | select.POLLHUP | select.POLLNVAL


class Presence(Enum):
    """What the kernel knows of a client."""

    THERE = "there"
    HALF_CLOSED = "half closed"
    GONE = "gone"


def presence(transport: asyncio.Transport) -> Presence:
    """Return whether the client of `transport` is there, also while the transport is not being read."""
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
    """What to do next about a client that has closed its sending side and waits for its answer."""

    WAIT = auto()
    PROBE = auto()
    GIVE_UP = auto()


class HalfClosedClient:
    """Decides how long the answers to one client that has closed its sending side are worked on.

    `silence` bounds, in seconds, each silence of an answer that leaves no room for a probe. Times are the loop's.
    """

    __slots__ = ("_answer_seen", "_given_up_at", "_probed_at", "_silence")

    def __init__(self, silence: float) -> None:
        self._silence = silence
        self._probed_at = float("-inf")
        self._answer_seen: tuple[RequestCycle, int] | None = None
        self._given_up_at = float("inf")

    def step(self, cycle: RequestCycle, now: float) -> Step:
        """Return what to do at `now`; PROBE means that the probe is sent."""
        if cycle.is_event_stream:
            return Step.GIVE_UP
        if not cycle.started and cycle.request.http_version == "1.1":
            if now <= self._probed_at + PROBE_PAUSE:
                return Step.WAIT
            self._probed_at = now
            return Step.PROBE
        if (cycle, cycle.written) != self._answer_seen:
            self._answer_seen = cycle, cycle.written
            self._given_up_at = now + self._silence
        return Step.GIVE_UP if now > self._given_up_at else Step.WAIT
