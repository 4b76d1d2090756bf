"""Relay a WebSocket between client and service, with back-pressure, until one side or the gateway closes it.

When the gateway closes a WebSocket, it sends a Close frame to both sides. If a side is in the middle of a frame, the
rest of that frame is sent first. Failure policy: a connection that is still open CLOSE_TIMEOUT seconds after
that is aborted. When the connection of one side is lost, that of the other side is closed.
"""

import asyncio

from gateway.proxy.open_streams import DRAINING
from gateway.proxy.websocket_frames import FrameTracker, close_frame
from gateway.server.client_transport import UpgradedConnection

CLOSE_TIMEOUT = 2.0
"""Seconds from the first Close frame, or the loss of one side, until both connections must be closed."""

IDLE = "idle"
"""The reason in the Close frames after the idle timeout."""

UNAUTHORIZED = 4401
"""The close code for every reason that is not in _CLOSE_CODES: the token has expired, or its session has ended.

RFC 6455 7.4.2 reserves 4000 to 4999 for applications.
"""

_CLOSE_CODES = {  # by the reason; RFC 6455 7.4.1 and IANA's WebSocket Close Code Number Registry
    DRAINING: 1012,  # service restart: the client should reconnect
    IDLE: 1001,  # going away
    "insufficient_scope": 4403,
    "revocations_unavailable": 1013,  # try again later
}


class RelayProtocol(asyncio.Protocol):
    """The asyncio protocol of one side's connection. It replaces the protocol that spoke HTTP on it."""

    def __init__(self, relay: "WebSocketRelay", transport: asyncio.Transport, *, is_client: bool) -> None:
        self.is_client = is_client
        self.incoming = FrameTracker()
        """The position in the frames that this side sends to the gateway."""
        self.close_sent = False
        """Whether the closing gateway has sent this side its last frame: its own Close frame or the other side's."""
        self.is_closed = False
        self._relay = relay
        self._transport = transport
        self._previous_protocol = transport.get_protocol()

    def attach(self) -> None:
        """Replace the previous protocol and resume reading."""
        self._transport.set_protocol(self)
        self.set_reading(True)

    def data_received(self, data: bytes) -> None:
        """Forward `data` to the other side."""
        self._relay.forward(self, data)

    def pause_writing(self) -> None:
        """Pause reading from the other side: this side's write buffer is full."""
        self._relay.other(self).set_reading(False)

    def resume_writing(self) -> None:
        """Resume reading from the other side: this side's write buffer has room again."""
        self._relay.other(self).set_reading(True)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the previous protocol and the relay that the connection is closed."""
        self.is_closed = True
        self._previous_protocol.connection_lost(exc)
        self._relay.side_closed(self)

    def set_reading(self, reading: bool) -> None:
        """Resume reading from this side if `reading`, otherwise pause it."""
        if self._transport.is_closing():
            return
        if reading:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def write(self, data: bytes) -> None:
        """Send `data` unless the connection is closing."""
        if data and not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Close the connection when the write buffer has been sent."""
        self._transport.close()

    def abort(self) -> None:
        """Close the connection at once; drop what is in the write buffer."""
        self._transport.abort()


class WebSocketRelay:
    """The two sides of one WebSocket. It is closed when both are silent for `idle_timeout` seconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop, idle_timeout: float) -> None:
        self.closed: asyncio.Future[None] = loop.create_future()
        """Done when the connections of both sides are closed."""
        self._loop = loop
        self._idle_timeout = idle_timeout
        self._last_received_at = loop.time()
        self._abort_at = float("inf")
        self._close_reason = ""
        """The reason in the gateway's Close frames; empty until the gateway closes the WebSocket."""
        self._sides: tuple[RelayProtocol, ...] = ()

    def start(self, client: UpgradedConnection, service: UpgradedConnection) -> None:
        """Start relaying. Each connection comes with the bytes that were read from it after the handshake."""
        self._sides = (
            RelayProtocol(self, client[0], is_client=True),
            RelayProtocol(self, service[0], is_client=False),
        )
        for side in self._sides:
            side.attach()
        for side, data in zip(self._sides, (client[1], service[1]), strict=True):
            self.forward(side, data)
        if self._close_reason:  # `end` was called during the handshake
            self._start_closing()

    def other(self, side: RelayProtocol) -> RelayProtocol:
        """Return the opposite side."""
        client, service = self._sides
        return service if side is client else client

    def forward(self, side: RelayProtocol, data: bytes) -> None:
        """Forward `data` from `side` to the other side; `data` may begin and end within a frame.

        After `end`, only the rest of the current frame is forwarded.
        """
        self._last_received_at = self._loop.time()
        other = self.other(side)
        if not self._close_reason:
            side.incoming.follow(data)
            other.write(data)
            return
        if not other.close_sent:
            rest_of_frame = side.incoming.follow_frame(data)
            other.write(data[:rest_of_frame])
            data = data[rest_of_frame:]
            self._send_close(other)
        side.incoming.follow(data)  # not forwarded, but a Close frame in it completes the closing handshake
        self._close_if_done(side)

    def end(self, reason: str) -> None:
        """Close the WebSocket. `reason`, IDLE or a problem code, is sent in the Close frames and sets their code."""
        if not self._close_reason:
            self._close_reason = reason
            if self._sides:
                self._start_closing()

    def side_closed(self, side: RelayProtocol) -> None:
        """Close the other side's connection after that of `side` was closed."""
        other = self.other(side)
        self._set_abort_deadline()
        if not other.is_closed:
            other.close()
        elif not self.closed.done():
            self.closed.set_result(None)

    def enforce_deadlines(self, now: float) -> None:
        """Close an idle WebSocket, and abort one that has not closed in time, at the loop time `now`."""
        if now > self._abort_at:
            for side in self._sides:
                side.abort()
        elif now > self._last_received_at + self._idle_timeout:
            self.end(IDLE)

    def _start_closing(self) -> None:
        self._set_abort_deadline()
        for side in self._sides:
            side.set_reading(True)  # to receive its Close frame; the other side's write buffer may be full
            self._send_close(side)
            self._close_if_done(side)

    def _send_close(self, side: RelayProtocol) -> None:
        forwarded = self.other(side).incoming
        if not forwarded.at_boundary:  # forward() sends the rest of the frame and calls this again
            return
        side.close_sent = True
        if not forwarded.close_seen:  # otherwise the other side's Close frame was forwarded before
            code = _CLOSE_CODES.get(self._close_reason, UNAUTHORIZED)
            side.write(close_frame(code, self._close_reason, masked=not side.is_client))

    def _close_if_done(self, side: RelayProtocol) -> None:
        if side.close_sent and side.incoming.close_seen:
            side.close()

    def _set_abort_deadline(self) -> None:
        self._abort_at = min(self._abort_at, self._loop.time() + CLOSE_TIMEOUT)
