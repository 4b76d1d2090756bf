"""Owns open WebSockets: bytes go both ways, no faster than they are taken, until a side or the gateway ends it.

When the gateway ends one it says why in a Close frame, which it puts between two frames of the other side, never into
one. Failure policy: what has not closed CLOSE_WAIT seconds later is cut; a side that is lost takes the other with it.
"""

import asyncio

from gateway.proxy.open_streams import DRAINING
from gateway.proxy.websocket_frames import FrameTracker, close_frame
from gateway.server.client_transport import UpgradedConnection

CLOSE_WAIT = 2.0
"""Seconds that both sides have to close, once one of them is to."""

IDLE = "idle"
"""The code under which a WebSocket ends that nobody uses."""

UNAUTHORIZED = 4401
"""The token has expired, or its session has ended: RFC 6455 7.4.2 leaves 4000 to 4999 to applications."""

_CLOSE_CODES = {
    DRAINING: 1012,  # service restart: come back
    IDLE: 1001,  # going away
    "insufficient_scope": 4403,
    "revocations_unavailable": 1013,  # try again later
}


class Side(asyncio.Protocol):
    """One end of a WebSocket, from the moment it takes its connection over from the protocol that opened it."""

    def __init__(self, websocket: "WebSocket", transport: asyncio.Transport, *, is_client: bool) -> None:
        self.is_client = is_client
        self.heard = FrameTracker()
        self.is_told = False
        """Whether it knows that no frame follows."""
        self.is_lost = False
        self._websocket = websocket
        self._transport = transport
        self._before = transport.get_protocol()

    def take_over(self) -> None:
        """From now on what happens on the connection is told here."""
        self._transport.set_protocol(self)
        self.read(True)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        self._websocket.pass_on(self, data)

    def pause_writing(self) -> None:
        """Called by the loop when this side takes no more."""
        self._websocket.other(self).read(False)

    def resume_writing(self) -> None:
        """Called by the loop when this side takes more again."""
        self._websocket.other(self).read(True)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop once."""
        self.is_lost = True
        self._before.connection_lost(exc)
        self._websocket.lost(self)

    def read(self, wanted: bool) -> None:
        """Reads on, or no more for now."""
        if self._transport.is_closing():
            return
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def write(self, data: bytes) -> None:
        """Sends `data`, where somebody is left to take it."""
        if data and not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Closes the connection when what was written is sent."""
        self._transport.close()

    def abort(self) -> None:
        """Closes the connection now."""
        self._transport.abort()


class WebSocket:
    """One WebSocket, from `start` on. It ends when both sides were silent for `idle` seconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop, idle: float) -> None:
        self.over: asyncio.Future[None] = loop.create_future()
        """Done when both sides are closed."""
        self._loop = loop
        self._idle = idle
        self._heard_at = loop.time()
        self._cut_at = float("inf")
        self._ended_by = ""
        self._sides: tuple[Side, ...] = ()

    def start(self, client: UpgradedConnection, service: UpgradedConnection) -> None:
        """Joins both connections; each comes with what was heard on it already."""
        self._sides = (
            Side(self, client[0], is_client=True),
            Side(self, service[0], is_client=False),
        )
        for side in self._sides:
            side.take_over()
        for side, early in zip(self._sides, (client[1], service[1]), strict=True):
            self.pass_on(side, early)
        if self._ended_by:  # while the handshake was under way
            self._begin_to_end()

    def other(self, side: Side) -> Side:
        """The side across."""
        client, service = self._sides
        return service if side is client else client

    def pass_on(self, side: Side, data: bytes) -> None:
        """Takes what `side` said, whole or in part."""
        self._heard_at = self._loop.time()
        other = self.other(side)
        if not self._ended_by:
            side.heard.follow(data)
            other.write(data)
            return
        if not other.is_told:
            rest_of_frame = side.heard.follow_frame(data)
            other.write(data[:rest_of_frame])
            data = data[rest_of_frame:]
            self._tell(other)
        side.heard.follow(data)  # and no further, but for a Close in it
        self._close_if_done(side)

    def end(self, code: str) -> None:
        """Ends it: `code` goes into the Close frames."""
        if not self._ended_by:
            self._ended_by = code
            if self._sides:
                self._begin_to_end()

    def lost(self, side: Side) -> None:
        """Is told that the connection of `side` is closed."""
        other = self.other(side)
        self._cut_soon()
        if not other.is_lost:
            other.close()
        elif not self.over.done():
            self.over.set_result(None)

    def enforce_deadlines(self, now: float) -> None:
        """Ends what nobody uses, and cuts what does not close, at the loop time `now`."""
        if now > self._cut_at:
            for side in self._sides:
                side.abort()
        elif now > self._heard_at + self._idle:
            self.end(IDLE)

    def _begin_to_end(self) -> None:
        self._cut_soon()
        for side in self._sides:
            side.read(True)  # its answer is waited for, whether or not the other side takes anything
            self._tell(side)
            self._close_if_done(side)

    def _tell(self, side: Side) -> None:
        heard = self.other(side).heard
        if not heard.at_boundary:  # the frame that is under way is told whole; its end comes by pass_on
            return
        side.is_told = True
        if not heard.close_seen:  # after a Close of the other side there is nothing to add
            code = _CLOSE_CODES.get(self._ended_by, UNAUTHORIZED)
            side.write(close_frame(code, self._ended_by, masked=not side.is_client))

    def _close_if_done(self, side: Side) -> None:
        if side.is_told and side.heard.close_seen:
            side.close()

    def _cut_soon(self) -> None:
        self._cut_at = min(self._cut_at, self._loop.time() + CLOSE_WAIT)
