"""Finds the ends of frames in the bytes of a WebSocket, and makes Close frames. RFC 6455 5.2, 5.5.1.

Only the frames' heads are read: what is in them is between client and service.
"""

import secrets
import struct

_CLOSE = 0x8
_FINAL = 0x80
_MASKED = 0x80
_EXTENDED = {126: 2, 127: 8}
"""Further bytes of length, by what the first seven bits say."""


class FrameTracker:
    """Follows one direction, however its bytes are cut into parts."""

    __slots__ = ("_head", "_left", "close_seen")

    def __init__(self) -> None:
        self._head = bytearray()
        self._left = 0
        self.close_seen = False
        """Whether a Close frame has begun: no frame may follow it."""

    @property
    def at_boundary(self) -> bool:
        """Whether another frame may be put in here."""
        return not self._left and not self._head

    def follow(self, data: bytes) -> None:
        """Follows all of `data`."""
        position = 0
        while position < len(data):
            position = self._step(data, position)

    def follow_frame(self, data: bytes) -> int:
        """Follows `data` to the end of the frame that has begun; gives how many bytes those were."""
        position = 0
        while position < len(data) and not self.at_boundary:
            position = self._step(data, position)
        return position

    def _step(self, data: bytes, position: int) -> int:
        """Follows payload, or what there is of a head. Gives where that ends in `data`."""
        if self._left:
            step = min(self._left, len(data) - position)
            self._left -= step
            return position + step
        head = self._head
        part = data[position : position + _head_length(head) - len(head)]
        head += part
        if len(head) == _head_length(head):
            self._left = _payload_length(head)
            self.close_seen = self.close_seen or head[0] & 0x0F == _CLOSE
            head.clear()
        return position + len(part)


def close_frame(code: int, reason: str, *, masked: bool) -> bytes:
    """A Close frame, `masked` where we are the client. `reason` has at most 123 bytes. RFC 6455 5.3, 7.4."""
    payload = struct.pack("!H", code) + reason.encode()
    head = bytes((_FINAL | _CLOSE, len(payload) | (_MASKED if masked else 0)))
    if not masked:
        return head + payload
    mask = secrets.token_bytes(4)
    return head + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))


def _head_length(head: bytearray) -> int:
    if len(head) < 2:
        return 2
    return 2 + _EXTENDED.get(head[1] & 0x7F, 0) + (4 if head[1] & _MASKED else 0)


def _payload_length(head: bytearray) -> int:
    extended = _EXTENDED.get(head[1] & 0x7F)
    return head[1] & 0x7F if extended is None else int.from_bytes(head[2 : 2 + extended])
