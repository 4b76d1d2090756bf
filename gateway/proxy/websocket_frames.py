"""Track frame boundaries in the bytes of a WebSocket, and build Close frames. RFC 6455 5.2, 5.5.1.

Only the headers of frames are parsed, not the payloads.
"""

import secrets
import struct

_CLOSE = 0x8
_FINAL = 0x80
_MASKED = 0x80
_EXTENDED_LENGTH_BYTES = {126: 2, 127: 8}
"""Bytes of the extended payload length, by the value of the 7-bit length."""


class FrameTracker:
    """The position in the frames of one direction. The bytes may come in parts of any size."""

    __slots__ = ("_header", "_payload_left", "close_seen")

    def __init__(self) -> None:
        self._header = bytearray()
        self._payload_left = 0
        self.close_seen = False
        """Whether the header of a Close frame has come. No frame may follow it."""

    @property
    def at_boundary(self) -> bool:
        """Return whether the bytes so far end with a frame, so that another frame may be inserted."""
        return not self._payload_left and not self._header

    def follow(self, data: bytes) -> None:
        """Advance to the end of `data`."""
        position = 0
        while position < len(data):
            position = self._step(data, position)

    def follow_frame(self, data: bytes) -> int:
        """Advance to the end of the current frame, or of `data` if that is first. Return the bytes advanced."""
        position = 0
        while position < len(data) and not self.at_boundary:
            position = self._step(data, position)
        return position

    def _step(self, data: bytes, position: int) -> int:
        """Read a part of a payload or of a header at `position`. Return the position after it."""
        if self._payload_left:
            step = min(self._payload_left, len(data) - position)
            self._payload_left -= step
            return position + step
        header = self._header
        part = data[position : position + _header_length(header) - len(header)]
        header += part
        if len(header) == _header_length(header):
            self._payload_left = _payload_length(header)
            self.close_seen = self.close_seen or header[0] & 0x0F == _CLOSE
            header.clear()
        return position + len(part)


def close_frame(code: int, reason: str, *, masked: bool) -> bytes:
    """Return a Close frame. `reason` has at most 123 bytes; clients must mask their frames. RFC 6455 5.3, 7.4."""
    payload = struct.pack("!H", code) + reason.encode()
    header = bytes((_FINAL | _CLOSE, len(payload) | (_MASKED if masked else 0)))
    if not masked:
        return header + payload
    mask = secrets.token_bytes(4)
    return header + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


def _header_length(header: bytearray) -> int:
    if len(header) < 2:
        return 2
    return 2 + _EXTENDED_LENGTH_BYTES.get(header[1] & 0x7F, 0) + (4 if header[1] & _MASKED else 0)


def _payload_length(header: bytearray) -> int:
    extended = _EXTENDED_LENGTH_BYTES.get(header[1] & 0x7F)
    return header[1] & 0x7F if extended is None else int.from_bytes(header[2 : 2 + extended])
