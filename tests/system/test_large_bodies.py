"""Bodies of any size pass through the gateway with constant memory."""

import socket
import threading
import time
from pathlib import Path

import pytest

from tests.system.support.big_upstream import CHUNK, SIZE
from tests.system.support.running_stack import RunningStack

MIB = 2**20
MAX_GROWTH = 30 * MIB
"""Bytes of all gateway processes together, above the memory of the idle gateway."""
TIMEOUT = 300
"""Seconds."""

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory from /proc")


@pytest.fixture
def access(stack: RunningStack) -> str:
    """An access token; the route requires one."""
    return stack.login(stack.register()).access


class MemoryWatch:
    """Sample the resident memory of the gateway's processes while the `with` block runs."""

    def __init__(self, stack: RunningStack) -> None:
        self._pids = stack.pids("gateway")
        self.idle = self.peak = self._resident()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def __enter__(self) -> "MemoryWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    @property
    def growth(self) -> int:
        """Return the peak memory above idle, in bytes."""
        return self.peak - self.idle

    def _sample(self) -> None:
        while not self._stopping.wait(0.02):
            self.peak = max(self.peak, self._resident())

    def _resident(self) -> int:
        return sum(_resident(pid) for pid in self._pids)


def _resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def exchange(stack: RunningStack, access: str, method: str, size: int = 0, pause: float = 0) -> tuple[bytes, int]:
    """Send `size` bytes and wait `pause` seconds before reading.

    Return the response's head with the first 64 bytes of its body, and the number of bytes in the body.
    """
    with socket.create_connection(("127.0.0.1", int(stack.environ["GATEWAY_PORT"])), TIMEOUT) as connection:
        head = [
            f"{method} /big/file HTTP/1.1",
            "Host: localhost",
            f"Authorization: Bearer {access}",
            "Connection: close",
            *([f"Content-Length: {size}"] if size else []),
        ]
        connection.sendall("\r\n".join([*head, "", ""]).encode())
        for _ in range(size // len(CHUNK)):
            connection.sendall(CHUNK)
        time.sleep(pause)
        return _receive(connection)


def _receive(connection: socket.socket) -> tuple[bytes, int]:
    buffer = bytearray(MIB)
    response = b""
    while b"\r\n\r\n" not in response:
        response += connection.recv(4096)
    head, _, body = response.partition(b"\r\n\r\n")
    received = len(body)
    while count := connection.recv_into(buffer):
        received += count
    return head + b"\r\n\r\n" + body[:64], received


def test_an_upload_of_one_gib_needs_constant_memory(stack: RunningStack, access: str) -> None:
    with MemoryWatch(stack) as memory:
        response, _ = exchange(stack, access, "POST", SIZE)
    assert response.startswith(b"HTTP/1.1 200")
    assert response.endswith(str(SIZE).encode())
    assert memory.growth <= MAX_GROWTH


def test_a_download_of_one_gib_needs_constant_memory(stack: RunningStack, access: str) -> None:
    with MemoryWatch(stack) as memory:
        response, received = exchange(stack, access, "GET")
    assert response.startswith(b"HTTP/1.1 200")
    assert received == SIZE
    assert memory.growth <= MAX_GROWTH


def test_a_slow_client_slows_the_service_down_instead_of_filling_memory(stack: RunningStack, access: str) -> None:
    """The gateway stops reading from the service while the client does not read."""
    with MemoryWatch(stack) as memory:
        _, received = exchange(stack, access, "GET", pause=1)
    assert received == SIZE
    assert memory.growth <= MAX_GROWTH
