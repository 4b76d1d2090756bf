"""The gateway's memory and response times with ten thousand idle connections, and its memory over a million requests.

Lower values of SOAK_CONNECTIONS and SOAK_REQUESTS make the tests shorter.
"""

import asyncio
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import pytest
import uvloop

from stack.plan import ROOT
from tests.faults.support.connection import Connection
from tests.faults.support.figures import AddFigure, percentile, percentiles_in_ms
from tests.faults.support.managed_process import ManagedProcess
from tests.faults.support.running_system import RunningSystem, running_system
from tests.ports import free_port

CONNECTIONS = int(os.environ.get("SOAK_CONNECTIONS") or 10_000)
REQUESTS = int(os.environ.get("SOAK_REQUESTS") or 1_000_000)
WARM_UP = REQUESTS // 10
"""Requests after which the caches are as full as they get."""
MAX_GROWTH = 1.1
"""Maximum ratio of the memory at the end to the memory with full caches."""
MAX_P99 = 0.1
"""Maximum of the 99th percentile of response times, in seconds."""
OTHER_FILES = 500
"""Open files of the gateway that are not idle connections."""
REQUEST_CONNECTIONS = 16
PER_SOURCE = 20_000
"""Connections from one loopback address, which has about 28,000 ephemeral ports."""

ROUTES = """
[upstreams.quick]
urls = ["http://127.0.0.1:{port}"]
identity_secret_env = "QUICK_SECRET"

[[routes]]
prefix = "/quick/"
upstream = "quick"
access = "authenticated"
"""


@pytest.fixture(scope="module")
def system() -> Iterator[RunningSystem]:
    """A system whose tokens last as long as the test."""
    files = CONNECTIONS + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < files:
        pytest.skip(f"{files} open files are needed, and {hard} allowed (ulimit -n)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, files), hard))  # the gateway inherits it
    with running_system(ACCESS_TOKEN_LIFETIME="86400") as running:
        yield running
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def gateway_with_quick_service(
    system: RunningSystem, folder: Path, name: str
) -> Iterator[tuple[ManagedProcess, str]]:
    """Run a gateway with one worker, in front of a service that needs about 15 us per request."""
    port = free_port()
    (folder / "note.json").write_text('{"title": "A note", "body": "' + "x" * 150 + '"}')
    command = [sys.executable, "-m", "tests.load.measuring.upstream", str(port), "0", str(folder / "note.json")]
    settings = {
        "GATEWAY_WORKERS": "1",
        "GATEWAY_KEEPALIVE": "600",
        "ACCESS_LOG": "off",
        "QUICK_SECRET": "q8Zr2mXv6bNc1tYw4kLp9sDf3gHj7aQe",
    }
    with subprocess.Popen(command, cwd=ROOT) as service:
        try:
            with system.extra_gateway_with_routes(name, ROUTES.format(port=port), **settings) as started:
                yield started
        finally:
            service.terminate()


def resident(process: ManagedProcess) -> int:
    """Return the memory of its workers, in bytes."""
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in process.workers]
    return sum(pages) * resource.getpagesize()


def test_ten_thousand_idle_connections_do_not_slow_other_clients(
    system: RunningSystem, tmp_path: Path, add_figure: AddFigure
) -> None:
    """The 99th percentile of other requests is under 0.1 s, and every idle connection still works afterwards."""
    client = system.client()
    access = client.login(client.register()).access

    async def measure(process: ManagedProcess, url: str) -> None:
        async with Connection(url) as busy:
            assert (await busy.request("GET", "/quick/", access=access)).status == 200
            before = resident(process)
            idle = [await idle_connection(url, access, number) for number in range(CONNECTIONS)]
            cost = (resident(process) - before) / CONNECTIONS / 2**20
            responses = [await busy.request("GET", "/quick/", access=access) for _ in range(2_000)]
            took = [response.seconds for response in responses]
            add_figure(f"{len(idle)} idle connections, {cost:.4f} MiB each; other requests {percentiles_in_ms(took)}")
            assert {response.status for response in responses} == {200}
            assert percentile(took, 99) < MAX_P99
            assert Counter([await is_served(streams, access) for streams in idle]) == {True: CONNECTIONS}
            for _, writer in idle:
                writer.close()

    with gateway_with_quick_service(system, tmp_path, "idle") as (process, url):
        uvloop.run(measure(process, url))


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def idle_connection(url: str, access: str, number: int) -> Streams:
    """Open a connection, use it once and keep it open."""
    parts = urlsplit(url)
    source = f"127.0.0.{2 + number // PER_SOURCE}"
    streams = await asyncio.open_connection(parts.hostname, parts.port, local_addr=(source, 0))
    assert await is_served(streams, access)
    return streams


async def is_served(streams: Streams, access: str) -> bool:
    """Send a request on the connection, and return whether the response is 200."""
    reader, writer = streams
    writer.write(f"GET /quick/ HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {access}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    await reader.readexactly(length)
    return head.startswith(b"HTTP/1.1 200 ")


class RequestSender(asyncio.Protocol):
    """A client that sends requests one after the other on one connection: repeated, new and refused ones."""

    def __init__(self, access: str, numbers: Iterator[int], statuses: Counter[int]) -> None:
        self._access = access
        self._numbers = numbers
        self._statuses = statuses
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        """Count the status of a complete response, and send the next request."""
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if found and len(body) == int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]):
            self._statuses[int(head[9:12])] += 1
            self._received = b""
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        """Set the future `done`."""
        if not self.done.done():
            self.done.set_result(None)

    def _send(self) -> None:
        assert self._transport is not None
        number = next(self._numbers, None)
        if number is None:
            self._transport.close()
            return
        target = "/quick/" if number % 2 else f"/quick/{number}?page={number}"
        access = self._access if number % 10 else f"{self._access[:-8]}{number:08d}"  # one in ten is forged
        request = (
            f"GET {target} HTTP/1.1\r\nHost: h\r\nX-Number: {number % 3}\r\nAuthorization: Bearer {access}\r\n\r\n"
        )
        self._transport.write(request.encode())


async def send_requests(url: str, access: str, first: int, last: int) -> Counter[int]:
    """Send the requests with these numbers over several connections; return the number of responses by status."""
    parts = urlsplit(url)
    statuses: Counter[int] = Counter()
    numbers = iter(range(first, last))
    loop = asyncio.get_running_loop()
    connections = [
        await loop.create_connection(
            lambda: RequestSender(access, numbers, statuses), parts.hostname or "", parts.port or 80
        )
        for _ in range(REQUEST_CONNECTIONS)
    ]
    await asyncio.gather(*(sender.done for _, sender in connections))
    return statuses


def test_memory_does_not_grow_over_a_million_requests(
    system: RunningSystem, tmp_path: Path, add_figure: AddFigure
) -> None:
    """After all requests a worker uses at most a tenth more memory than after the first tenth of them."""
    client = system.client()
    access = client.login(client.register()).access
    with gateway_with_quick_service(system, tmp_path, "soak") as (process, url):
        began = time.monotonic()
        statuses = uvloop.run(send_requests(url, access, 0, WARM_UP))
        early = resident(process)
        statuses += uvloop.run(send_requests(url, access, WARM_UP, REQUESTS))
        late = resident(process)
        took = time.monotonic() - began
    add_figure(
        f"{statuses.total()} requests in {took:.0f} s, {dict(statuses)}: {early / 2**20:.1f} MiB after {WARM_UP}, "
        f"{late / 2**20:.1f} MiB at the end"
    )
    assert statuses == {200: REQUESTS - REQUESTS // 10, 401: REQUESTS // 10}
    assert late < early * MAX_GROWTH
