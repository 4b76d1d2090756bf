"""Track frame boundaries in the bytes of a WebSocket, and build Close frames. RFC 6455 5.2, 5.5.1.

Only the heads of frames are parsed; payloads are forwarded unread.
"""

import secrets
import struct

_CLOSE = 0x8
_FINAL = 0x80
_MASKED = 0x80
_EXTENDED_LENGTH_BYTES = {126: 2, 127: 8}
"""Bytes of the extended payload length, by the value of the 7-bit length."""


class FrameTracker:
    """The position within the frames of one direction; the bytes may come in parts of any size."""

    __slots__ = ("_head", "_payload_left", "close_seen")

    def __init__(self) -> None:
        self._head = bytearray()
        self._payload_left = 0
        self.close_seen = False
        """Whether a Close frame has begun. No frame may follow it."""

    @property
    def at_boundary(self) -> bool:
        """Return whether the bytes so far end with a frame, so that another frame may be inserted."""
        return not self._payload_left and not self._head

    def follow(self, data: bytes) -> None:
        """Advance by all of `data`."""
        position = 0
        while position < len(data):
            position = self._step(data, position)

    def follow_frame(self, data: bytes) -> int:
        """Advance to the end of the current frame, or of `data` if that comes first. Return the number of bytes."""
        position = 0
        while position < len(data) and not self.at_boundary:
            position = self._step(data, position)
        return position

    def _step(self, data: bytes, position: int) -> int:
        """Consume payload, or a part of a head, from `position` on. Return the position after it."""
        if self._payload_left:
            step = min(self._payload_left, len(data) - position)
            self._payload_left -= step
            return position + step
        head = self._head
        part = data[position : position + _head_length(head) - len(head)]
        head += part
        if len(head) == _head_length(head):
            self._payload_left = _payload_length(head)
            self.close_seen = self.close_seen or head[0] & 0x0F == _CLOSE
            head.clear()
        return position + len(part)


def close_frame(code: int, reason: str, *, masked: bool) -> bytes:
    """Return a Close frame. `reason` has at most 123 bytes; clients must mask their frames. RFC 6455 5.3, 7.4."""
    payload = struct.pack("!H", code) + reason.encode()
    head = bytes((_FINAL | _CLOSE, len(payload) | (_MASKED if masked else 0)))
    if not masked:
        return head + payload
    mask = secrets.token_bytes(4)
    return head + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))


def _head_length(head: bytearray) -> int:
    if len(head) < 2:
        return 2
    return 2 + _EXTENDED_LENGTH_BYTES.get(head[1] & 0x7F, 0) + (4 if head[1] & _MASKED else 0)


def _payload_length(head: bytearray) -> int:
    extended = _EXTENDED_LENGTH_BYTES.get(head[1] & 0x7F)
    return head[1] & 0x7F if extended is None else int.from_bytes(head[2 : 2 + extended])
