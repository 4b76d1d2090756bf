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
from enum import Enum

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
