"""Bodies larger than all buffers between client and upstream, and a counter of the bytes that one side has sent."""

import threading

from tests.gateway.raw_client import RawClient
from tests.gateway.raw_upstream import WAIT

CHUNK = bytes(range(256)) * 256
"""64 KiB."""

CHUNKS = 512
"""Number of chunks in a large body: 32 MiB, more than all buffers between client and upstream hold."""

MAX_BUFFERED_BYTES = 16 * 2**20
"""Limit of the bytes in all socket buffers and the gateway. An unbounded buffer would hold all CHUNKS."""


class SentBytes:
    """Counts bytes that one side has sent."""

    def __init__(self) -> None:
        self._total = 0
        self._more = threading.Event()

    def add(self, size: int) -> None:
        """Count `size` more bytes."""
        self._total += size
        self._more.set()

    def when_stalled(self) -> int:
        """Return the total once nothing was sent for 0.3 seconds."""
        assert self._more.wait(WAIT)
        while self._more.wait(0.3):
            self._more.clear()
        return self._total


def read_until(client: RawClient, ending: bytes) -> None:
    """Receive until the bytes received end with `ending`."""
    received = b""
    while not received.endswith(ending):
        data = client.socket.recv(65_536)
        assert data, "the connection was closed"
        received += data
