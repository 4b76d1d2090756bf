"""A million bodies through keep-alive connections to a service that resets connections: no response is mixed up.

A lower SOAK_BODIES makes the test shorter; SOAK_SEED repeats a run with the seed that it printed.
"""

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
import uvloop

from stack.plan import ROOT
from tests.faults.support.connection import Connection
from tests.faults.support.figures import AddFigure
from tests.faults.support.running_system import running_system
from tests.load.soak.numbered_bodies import in_chunks, request_body, response_body
from tests.load.soak.resetting_upstream import FAULTS

BODIES = int(os.environ.get("SOAK_BODIES") or 1_000_000)
SEED = int(os.environ.get("SOAK_SEED") or time.time())
CLIENTS = 48
DEADLINE = 30.0
"""Seconds within which every response must come."""
PROGRESS_INTERVAL = 10.0
"""Seconds between two progress lines."""

ROUTES = """
[upstreams.numbered]
urls = ["http://127.0.0.1:{port}"]
identity = false

[[routes]]
prefix = "/numbered/"
upstream = "numbered"
access = "public"
max_body = "16MiB"
"""


@pytest.fixture(scope="module")
def upstream() -> Iterator[int]:
    """The service's port."""
    command = [sys.executable, "-m", "tests.load.soak.resetting_upstream", str(SEED)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def gateway(upstream: int) -> Iterator[str]:
    """The URL of a gateway with two workers and a route to the service."""
    with (
        running_system(GATEWAY_WORKERS="2") as system,
        system.extra_gateway_with_routes("numbered", ROUTES.format(port=upstream)) as (_, url),
    ):
        yield url


class WrongResponse(AssertionError):
    """A response belongs to another request, looks complete and is not, or does not come in time."""


class ClientConnection:
    """A keep-alive client connection that checks whether a response that looks complete is complete."""

    def __init__(self, url: str, rng: random.Random) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._rng = rng
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, number: int) -> str:
        """Send a request. Return "complete", "cut off", or the code of the gateway's error. Raises WrongResponse."""
        received = bytearray()
        try:
            async with asyncio.timeout(DEADLINE):
                return await self._exchange(number, received)
        except TimeoutError:
            raise WrongResponse(f"{number}: no response within {DEADLINE:.0f} s") from None
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            self.close()
            received += getattr(error, "partial", b"")
            if not response_body(number).startswith(bytes(received)):
                raise WrongResponse(
                    f"{number}: the bytes before the cut belong to another response: {bytes(received[:60])!r}"
                ) from error
            return "cut off"

    async def _exchange(self, number: int, received: bytearray) -> str:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port, limit=2**20)
        reader, writer = self._streams
        writer.write(self._request(number))
        with suppress(ConnectionError):  # the gateway may have sent an error response, which is read below
            await writer.drain()
        status, fields = await _read_head(reader)
        if status == 200 and fields.get("x-number") != str(number):
            raise WrongResponse(f"{number}: got the response to {fields.get('x-number')}")
        await _read_body(reader, fields, received if status == 200 else (error_body := bytearray()))
        if fields.get("connection") == "close":
            self.close()
        if status == 200:
            if bytes(received) != response_body(number):
                raise WrongResponse(
                    f"{number}: {len(received)} bytes look complete, but the body has {len(response_body(number))}"
                )
            return "complete"
        if status not in (502, 503):
            raise WrongResponse(f"{number}: {status} {bytes(error_body[:200])!r}")
        return str(json.loads(error_body)["code"])

    def _request(self, number: int) -> bytes:
        body = request_body(number)
        if not body:
            return f"GET /numbered/{number} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
        head = f"POST /numbered/{number} HTTP/1.1\r\nHost: h\r\n"
        if self._rng.random() < 0.3:
            return f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + in_chunks(body, self._rng)
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError from error  # the bytes of a truncated head are not compared with the body
    status_line, *lines = head.decode("latin-1").split("\r\n")[:-2]
    fields = (line.partition(":") for line in lines)
    return int(status_line.split(" ")[1]), {name.lower(): value.strip() for name, _, value in fields}


async def _read_body(reader: asyncio.StreamReader, fields: dict[str, str], received: bytearray) -> None:
    if fields.get("transfer-encoding") != "chunked":
        received += await reader.readexactly(int(fields["content-length"]))
        return
    while size := int(await _read_chunk_size(reader), 16):
        received += await reader.readexactly(size)
        await _read_line_end(reader)
    await _read_line_end(reader)


async def _read_chunk_size(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n")
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError from error


async def _read_line_end(reader: asyncio.StreamReader) -> None:
    try:
        await reader.readexactly(2)
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError from error


class BodiesRun:
    """All requests of the test, and the number of each result."""

    def __init__(self, url: str, print_progress: AddFigure) -> None:
        self._print_progress = print_progress
        self.outcomes: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._url = url
        self._numbers = iter(range(1, BODIES + 1))
        self._rng = random.Random(SEED)
        self._began = time.monotonic()

    async def run(self) -> None:
        """Send all requests, and return when all have a result."""
        reporting = asyncio.create_task(self._report_progress())
        await asyncio.gather(*(self._client() for _ in range(CLIENTS)))
        reporting.cancel()

    async def _client(self) -> None:
        connection = ClientConnection(self._url, self._rng)
        for number in self._numbers:
            try:
                outcome = await connection.send(number)
            except WrongResponse as wrong:
                self.wrong.append(str(wrong))
                connection.close()
                outcome = "wrong"
            self.outcomes[outcome] += 1
            if outcome == "upstream_unavailable":
                await asyncio.sleep(0.2)
        connection.close()

    async def _report_progress(self) -> None:
        while True:
            await asyncio.sleep(PROGRESS_INTERVAL)
            done, took = self.outcomes.total(), time.monotonic() - self._began
            left = (BODIES - done) * took / max(done, 1)
            self._print_progress(
                f"{done} of {BODIES}, {done / took:.0f} per second, {left:.0f} s left: {dict(self.outcomes)}"
            )


def test_no_response_belongs_to_another_request(
    gateway: str, upstream: int, add_figure: AddFigure, capsys: pytest.CaptureFixture[str]
) -> None:
    """The service cuts connections. No response may belong to another request, or look complete and be truncated."""

    def print_progress(line: str) -> None:
        with capsys.disabled():  # the test takes minutes
            sys.stderr.write(f"\n{line}")

    run = BodiesRun(gateway, print_progress)
    began = time.monotonic()
    uvloop.run(run.run())
    took = time.monotonic() - began
    counts = asyncio.run(_counts(upstream))
    add_figure(f"{BODIES} in {took:.0f} s (SOAK_SEED={SEED}): {dict(run.outcomes)}; the service: {counts}")
    assert run.wrong == []
    assert run.outcomes.total() == BODIES
    assert run.outcomes["complete"] > 0.8 * BODIES
    assert counts.keys() == {*FAULTS, "completed"}, "a kind of fault never occurred"


async def _counts(port: int) -> dict[str, int]:
    async with Connection(f"http://127.0.0.1:{port}") as connection:
        counts: dict[str, int] = (await connection.request("GET", "/counts")).document
    return counts
