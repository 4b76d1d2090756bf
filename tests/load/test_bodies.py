"""A million bodies through kept-alive connections to a service that breaks off: no response is another request's."""

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
from tests.load.numbered import answer, in_chunks, question

BODIES = int(os.environ.get("SOAK_BODIES") or 1_000_000)
SEED = int(os.environ.get("SOAK_SEED") or time.time())
CLIENTS = 48
DEADLINE = 30.0
"""Seconds after which an answer has failed to come."""
REPORT = 10.0
"""Seconds between two words about how far it is."""

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
    command = [sys.executable, "-m", "tests.load.resetting_upstream", str(SEED)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def gateway(upstream: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a gateway with two workers and a route to the service."""
    routes = tmp_path_factory.mktemp("routes") / "routes.toml"
    routes.write_text((ROOT / "gateway" / "routes.toml").read_text() + ROUTES.format(port=upstream))
    with running_system(GATEWAY_WORKERS="2") as system:
        secret = {"IDENTITY_SECRET": (system.data_dir / "notes.secret").read_text()}
        with system.extra_gateway("numbered", GATEWAY_ROUTES=str(routes), **secret) as (_, url):
            yield url


class Wrong(AssertionError):
    """A response that belongs to another request, or looks complete and is not."""


class Line:
    """A client's kept-alive connection. It parses responses itself, to see what a client would take for complete."""

    def __init__(self, url: str, dice: random.Random) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._dice = dice
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, number: int) -> str:
        """Return "whole", "cut off", or the status of the gateway's refusal. Raises Wrong."""
        came = bytearray()
        try:
            async with asyncio.timeout(DEADLINE):
                return await self._exchange(number, came)
        except TimeoutError:
            raise Wrong(f"{number}: no answer within {DEADLINE:.0f} s") from None
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            self.close()
            came += getattr(error, "partial", b"")
            if not answer(number).startswith(bytes(came)):
                raise Wrong(f"{number}: what came before the cut is not its own: {bytes(came[:60])!r}") from error
            return "cut off"

    async def _exchange(self, number: int, came: bytearray) -> str:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port, limit=2**20)
        reader, writer = self._streams
        writer.write(self._request(number))
        with suppress(ConnectionError):  # a refusal may have come, and says more
            await writer.drain()
        status, fields = await _head(reader)
        if status == 200 and fields.get("x-number") != str(number):
            raise Wrong(f"{number}: was given the answer to {fields.get('x-number')}")
        await _body(reader, fields, came if status == 200 else (refusal := bytearray()))
        if fields.get("connection") == "close":
            self.close()
        if status == 200:
            if bytes(came) != answer(number):
                raise Wrong(f"{number}: {len(came)} bytes look whole, {len(answer(number))} are")
            return "whole"
        if status not in (502, 503):
            raise Wrong(f"{number}: {status} {bytes(refusal[:200])!r}")
        return str(json.loads(refusal)["code"])

    def _request(self, number: int) -> bytes:
        body = question(number)
        if not body:
            return f"GET /numbered/{number} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
        head = f"POST /numbered/{number} HTTP/1.1\r\nHost: h\r\n"
        if self._dice.random() < 0.3:
            return f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + in_chunks(body, self._dice)
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError from error  # of its head nothing is anybody's body
    status_line, *lines = head.decode("latin-1").split("\r\n")[:-2]
    fields = (line.partition(":") for line in lines)
    return int(status_line.split(" ")[1]), {name.lower(): value.strip() for name, _, value in fields}


async def _body(reader: asyncio.StreamReader, fields: dict[str, str], came: bytearray) -> None:
    if fields.get("transfer-encoding") != "chunked":
        came += await reader.readexactly(int(fields["content-length"]))
        return
    while size := int(await _size(reader), 16):
        came += await reader.readexactly(size)
        await _line_end(reader)
    await _line_end(reader)


async def _size(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n")
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError from error


async def _line_end(reader: asyncio.StreamReader) -> None:
    try:
        await reader.readexactly(2)
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError from error


class Run:
    """All requests and their results."""

    def __init__(self, url: str, tell: AddFigure) -> None:
        self._tell = tell
        self.outcomes: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._url = url
        self._numbers = iter(range(1, BODIES + 1))
        self._dice = random.Random(SEED)
        self._began = time.monotonic()

    async def go(self) -> None:
        """Return once all requests are finished."""
        reporting = asyncio.create_task(self._report())
        await asyncio.gather(*(self._client() for _ in range(CLIENTS)))
        reporting.cancel()

    async def _client(self) -> None:
        line = Line(self._url, self._dice)
        for number in self._numbers:
            try:
                outcome = await line.ask(number)
            except Wrong as wrong:
                self.wrong.append(str(wrong))
                line.close()
                outcome = "wrong"
            self.outcomes[outcome] += 1
            if outcome == "upstream_unavailable":
                await asyncio.sleep(0.2)
        line.close()

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORT)
            done, took = self.outcomes.total(), time.monotonic() - self._began
            left = (BODIES - done) * took / max(done, 1)
            self._tell(f"{done} of {BODIES}, {done / took:.0f} a second, {left:.0f} s left: {dict(self.outcomes)}")


def test_every_answer_is_its_own_requests(
    gateway: str, upstream: int, add_figure: AddFigure, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cut connection is allowed here; another request's response, or a part that looks complete, is not."""

    def tell(line: str) -> None:
        with capsys.disabled():  # this goes on for minutes
            sys.stderr.write(f"\n{line}")

    run = Run(gateway, tell)
    began = time.monotonic()
    uvloop.run(run.go())
    took = time.monotonic() - began
    tally = asyncio.run(_tally(upstream))
    add_figure(f"{BODIES} in {took:.0f} s (SOAK_SEED={SEED}): {dict(run.outcomes)}; the service: {tally}")
    assert run.wrong == []
    assert run.outcomes.total() == BODIES
    assert run.outcomes["whole"] > 0.8 * BODIES
    assert len(tally) == 6, "some fault was never played"


async def _tally(port: int) -> dict[str, int]:
    async with Connection(f"http://127.0.0.1:{port}") as connection:
        tally: dict[str, int] = (await connection.request("GET", "/tally")).document
    return tally
