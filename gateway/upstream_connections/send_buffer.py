"""The send buffer of the kernel: bytes that were written to a connection and that its peer has not acknowledged."""

import asyncio
import fcntl
import socket
import struct
import termios

_LINGER_ZERO = struct.pack("ii", 1, 0)


def discard_unacknowledged(transport: asyncio.Transport) -> None:
    """Make the next close of the connection discard the bytes that the peer has not acknowledged (RST, not FIN).

    Otherwise the kernel goes on sending them: after a partition, a service would receive a request whose client has
    long given it up, such as a refresh whose token was spent by a retry.
    """
    own_socket = transport.get_extra_info("socket")
    if own_socket is None:
        return
    try:
        (unacknowledged,) = struct.unpack("i", fcntl.ioctl(own_socket.fileno(), termios.TIOCOUTQ, b"\0" * 4))
        if unacknowledged:
            own_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    except (OSError, ValueError):
        return  # the connection is closed already
