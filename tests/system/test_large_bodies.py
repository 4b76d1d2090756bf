"""Bodies of any size pass through the gateway in flat memory."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system.running_stack import RunningStack, run_stack

MIB = 2**20
SIZE = 1024 * MIB
ALLOWANCE = 30 * MIB
CHUNK = b"x" * (64 * 1024)
TIMEOUT = 300

ROUTES = """
[upstreams.auth]
urls = ["${{AUTH_URL}}"]

[upstreams.big]
urls = ["unix:{socket}"]
identity = false

[[routes]]
prefix = "/auth/"
upstream = "auth"
access = "public"

[[routes]]
prefix = "/big/"
upstream = "big"
access = "authenticated"
methods = ["GET", "POST"]
max_body = "2GiB"
timeout = {{ connect = 1, read = 60, total = 300 }}
"""

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory from /proc")


class BigUpstream(socketserver.StreamRequestHandler):
    """A service of few words: GET sends SIZE bytes, POST counts what it gets and says how many it were."""

    def handle(self) -> None:
        """One connection, one request after the other."""
        while head := self._head():
            if head[0].startswith(b"GET"):
                self._send()
            else:
                self._count(head)

    def _head(self) -> list[bytes]:
        """The lines up to the empty one; none when the gateway has closed the connection."""
        lines = []
        while (line := self.rfile.readline()).strip():
            lines.append(line)
        return lines

    def _send(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
        for _ in range(SIZE // len(CHUNK)):
            self.wfile.write(CHUNK)

    def _count(self, head: list[bytes]) -> None:
        (announced,) = (int(line.split(b":")[1]) for line in head if line.lower().startswith(b"content-length:"))
        left = announced
        while left:
            left -= len(self.rfile.read(min(left, len(CHUNK))))
        text = str(announced).encode()
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))


@contextmanager
def big_upstream(path: Path) -> Iterator[None]:
    """Serves in threads of its own."""
    with socketserver.ThreadingUnixStreamServer(str(path), BigUpstream) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningStack, str]]:
    """A stack that routes /big/ to the upstream, and an access token."""
    folder = tmp_path_factory.mktemp("big")
    routes = folder / "routes.toml"
    routes.write_text(ROUTES.format(socket=folder / "big.sock"))
    with (
        big_upstream(folder / "big.sock"),
        run_stack(GATEWAY_ROUTES=str(routes), GATEWAY_WORKERS="1", AUTH_WORKERS="1") as stack,
    ):
        access = stack.login(stack.register()).access
        yield stack, access


class MemoryWatch:
    """Samples what the gateway's processes hold, while it is entered."""

    def __init__(self, stack: RunningStack) -> None:
        self._pids = stack.pids("gateway")
        self.idle = self.peak = self._resident()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def __enter__(self) -> "MemoryWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    @property
    def growth(self) -> int:
        """Bytes over idle, at the worst moment."""
        return self.peak - self.idle

    def _sample(self) -> None:
        while not self._is_over.wait(0.02):
            self.peak = max(self.peak, self._resident())

    def _resident(self) -> int:
        return sum(_resident(pid) for pid in self._pids)


def _resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def exchange(stack: RunningStack, access: str, method: str, size: int = 0, pause: float = 0) -> tuple[bytes, int]:
    """Sends `size` bytes, and returns the answer's head and how many bytes of body came after a pause."""
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
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(4096)
    head, _, body = answer.partition(b"\r\n\r\n")
    received = len(body)
    while count := connection.recv_into(buffer):
        received += count
    return head + b"\r\n\r\n" + body[:64], received


def test_an_upload_passes_in_flat_memory(big: tuple[RunningStack, str]) -> None:
    stack, access = big
    with MemoryWatch(stack) as memory:
        answer, _ = exchange(stack, access, "POST", SIZE)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(str(SIZE).encode())
    assert memory.growth <= ALLOWANCE


def test_a_download_passes_in_flat_memory(big: tuple[RunningStack, str]) -> None:
    stack, access = big
    with MemoryWatch(stack) as memory:
        answer, received = exchange(stack, access, "GET")
    assert answer.startswith(b"HTTP/1.1 200")
    assert received == SIZE
    assert memory.growth <= ALLOWANCE


def test_a_client_that_reads_slowly_makes_the_service_wait(big: tuple[RunningStack, str]) -> None:
    """Else the gateway would have to keep what the client does not take."""
    stack, access = big
    with MemoryWatch(stack) as memory:
        _, received = exchange(stack, access, "GET", pause=1)
    assert received == SIZE
    assert memory.growth <= ALLOWANCE
