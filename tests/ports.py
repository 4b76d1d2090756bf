"""Reserve loopback ports for servers of tests that need a fixed port, so that no two get the same.

The ports are below the range from which the kernel assigns ephemeral ports. Each test process reserves a block of
ports while it runs, by listening on the first port of the block.
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
    """Return the socket that reserves this process's block, and an endless iterator over the block's other ports."""
    for first in _BLOCKS:
        if (reservation := _listen(first)) is not None:
            return reservation, cycle(range(first + 1, first + _BLOCKS.step))
    raise RuntimeError(f"every block of ports from {_BLOCKS.start} to {_BLOCKS.stop} is in use")


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
