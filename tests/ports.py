"""Reserve loopback ports for servers that need a fixed one, so that no two get the same.

They are below the ephemeral ports that the kernel assigns. Each process that runs tests owns a block of
them as long as it lives: it listens on the block's first port, and nobody else can.
"""

import socket
from collections.abc import Iterator
from functools import cache
from itertools import cycle

_BLOCKS = range(20_000, 32_000, 100)


def free_port() -> int:
    """Return a port that is free and that no other test process uses."""
    _, ports = _own_block()
    return next(port for port in ports if not _is_taken(port))


@cache
def _own_block() -> tuple[socket.socket, Iterator[int]]:
    """Return the socket that reserves the block of ports, and an endless iterator over them."""
    for first in _BLOCKS:
        if (claim := _listen(first)) is not None:
            return claim, cycle(range(first + 1, first + _BLOCKS.step))
    raise RuntimeError(f"no block of ports is free from {_BLOCKS.start} to {_BLOCKS.stop}")


def _is_taken(port: int) -> bool:
    probe = _listen(port)
    if probe is not None:
        probe.close()
    return probe is None


def _listen(port: int) -> socket.socket | None:
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError:
        return None
