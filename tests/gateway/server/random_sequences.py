"""Random sequences of requests on one connection, their expected responses, and clients that send them.

A sequence consists of numbered requests, and malformed or incomplete input may follow them. A client sends it in one
or more pieces. Then it waits, closes its sending side, closes the connection or resets it.
"""

import asyncio
import random
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import httptools

BOUNDED, PRIVATE = "/bounded/", "/private/"

ROUTES = """
[upstreams.recorder]
urls = ["http://127.0.0.1:{port}"]
identity = false
break_after = 0

[[routes]]
prefix = "/bounded/"
upstream = "recorder"
access = "public"
max_concurrent = {slots}

[[routes]]
prefix = "/private/"
upstream = "recorder"
access = "authenticated"
"""

WAIT = 60.0
"""Seconds after which an open connection counts as hanging."""

_HOST = b"Host: h\r\n"
_GARBAGE = (
    b"\0\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET /bounded/none HTTP/9.9\r\n\r\n",
    b"GET /bounded/none HTTP/1.1\r\nHost : h\r\n\r\n",
    b"POST /bounded/none HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"POST /bounded/none HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /bounded/none HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
)
_UNFINISHED = (
    b"GET /bounded/none HT",
    b"GET /bounded/none HTTP/1.1\r\nHost: h\r\nX: ",
    b"POST /bounded/none HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf",
    b"POST /bounded/none HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal",
)


class Step(NamedTuple):
    """One request and its expected status; the service executes it if that is 200. A `last` step ends the input."""

    number: int
    raw: bytes
    status: int
    last: bool = False
    may_be_last: bool = False
    """Whether the gateway may close after the response: it may refuse the request before its body is complete."""


class Sequence(NamedTuple):
    """The `pieces` that a client sends, and how it ends.

    `tail` is the status of the response to malformed input after the steps; 0 if there is none.
    """

    steps: list[Step]
    pieces: list[bytes]
    tail: int
    ending: str

    @property
    def responses(self) -> list[tuple[int, int]]:
        """Return the number (0 unless the service responds) and the status of each expected response, in order."""
        steps = list(self._steps_with_response())
        found = [(step.number if step.status == 200 else 0, step.status) for step in steps]
        return [*found, (0, self.tail)] if self.tail and not steps[-1].last else found

    def _steps_with_response(self) -> Iterator[Step]:
        for step in self.steps:
            yield step
            if step.last:
                return

    def matches(self, responses: list[tuple[int, int]]) -> bool:
        """Return whether `responses` are the expected ones. They may end early after a step that `may_be_last`."""
        expected = self.responses
        if responses == expected:
            return True
        reached = list(self._steps_with_response())[: len(responses)]
        return responses == expected[: len(responses)] and bool(reached) and reached[-1].may_be_last

    @property
    def reads_every_response(self) -> bool:
        """Return whether the client waits for all its responses."""
        return self.ending in ("stay", "half close")


def sequences(seed: int, count: int) -> Iterator[Sequence]:
    """Yield `count` sequences, which `seed` determines."""
    draw = random.Random(seed)
    numbers = iter(range(1, 100 * count))
    for _ in range(count):
        steps = [_step(draw, next(numbers)) for _ in range(draw.choice((1, 1, 2, 3, 5, 12)))]
        after, tail = draw.choice(((b"", 0), (b"", 0), (draw.choice(_GARBAGE), 400), (draw.choice(_UNFINISHED), 0)))
        ending = draw.choice(("stay", "stay", "half close", "half close", "close", "reset"))
        if after in _UNFINISHED and ending == "stay":  # gateway and client would wait for each other
            ending = "half close"
        raw = b"".join(step.raw for step in steps) + after
        yield Sequence(steps, list(_pieces(draw, raw)), tail, ending)


def _step(draw: random.Random, number: int) -> Step:
    path = b"/bounded/%d" % number
    body = b"x" * draw.choice((1, 10, 1_000))
    length = b"Content-Length: %d\r\n" % len(body)
    chunked = b"Transfer-Encoding: chunked\r\n\r\n%x;a=b\r\n%b\r\n0\r\nX-T: y\r\n\r\n" % (len(body), body)
    get, post = b"GET " + path + b" HTTP/1.1\r\n" + _HOST, b"POST " + path + b" HTTP/1.1\r\n" + _HOST
    kinds = (
        Step(number, get + b"\r\n", 200),
        Step(number, b"GET /bounded/0 HTTP/1.1\r\n" + _HOST + b"\r\n", 200)._replace(number=0),  # a cached head
        Step(number, post + length + b"\r\n" + body, 200),
        Step(number, post + chunked, 200),
        Step(number, post + b"Connection: upgrade\r\nUpgrade: h2c\r\n" + length + b"\r\n" + body, 200),
        Step(number, get + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 200),
        Step(number, post + b"Expect: 100-continue\r\n" + length + b"\r\n" + body, 200),
        Step(number, b"GET /private/ HTTP/1.1\r\n" + _HOST + b"\r\n", 401),
        Step(number, b"POST /private/ HTTP/1.1\r\n" + _HOST + length + b"\r\n" + body, 401, may_be_last=True),
        Step(number, b"GET /none HTTP/1.1\r\n" + _HOST + b"\r\n", 404),
        Step(number, get.replace(_HOST, b"") + b"\r\n", 400, last=True),
        Step(number, get + b"Connection: close\r\n\r\n", 200, last=True),
    )
    return draw.choices(kinds, (6, 4, 6, 4, 2, 2, 2, 6, 3, 3, 1, 1))[0]


def _pieces(draw: random.Random, raw: bytes) -> Iterator[bytes]:
    """Yield `raw` in pieces; often in one, so that the gateway parses many requests at once."""
    cuts = sorted(draw.randrange(len(raw)) for _ in range(draw.choice((0, 0, 0, 1, 2, 5))))
    if draw.random() < 0.01:
        cuts = list(range(1, min(len(raw), 300)))
    for start, end in zip((0, *cuts), (*cuts, len(raw)), strict=True):
        if start < end:
            yield raw[start:end]


@dataclass(slots=True)
class HeldRequests:
    """Requests for `/bounded/held`, which are answered together once `count` of them are in progress."""

    count: int
    waiting: list[Callable[[bytes], None]] = field(default_factory=list)

    def add(self, respond: Callable[[bytes], None]) -> None:
        """Add a request; `respond` sends its response."""
        self.waiting.append(respond)
        if len(self.waiting) == self.count:
            for respond in self.waiting:
                respond(b"0")


class Recorder(asyncio.Protocol):
    """A connection of the service. It answers each request with its number, and adds the number to `executed`."""

    def __init__(self, executed: list[int], held: HeldRequests, transports: set[asyncio.Transport]) -> None:
        self._executed = executed
        self._transports = transports
        self._held = held
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection, so that the test can close it."""
        self._transport = cast(asyncio.Transport, transport)
        self._transports.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Unregister the connection."""
        if self._transport is not None:
            self._transports.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        """Parse the requests in `data`."""
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        """Set the request target. Called by httptools."""
        self._target = url

    def on_message_complete(self) -> None:
        """Execute a complete request. Called by httptools."""
        number = self._target.rpartition(b"/")[2]
        if number == b"held":
            self._held.add(self._respond)
            return
        self._executed.append(int(number))
        loop = asyncio.get_running_loop()
        if int(number) % 3:
            self._respond(number)
        else:  # delayed, so that the next request arrives before the response
            loop.call_later(0.002, self._respond, number)

    def _respond(self, number: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(number), number))


async def send_sequence(port: int, sequence: Sequence) -> list[tuple[int, int]]:
    """Send one sequence; return the responses as `Sequence.responses` does, if the client waits for them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        with suppress(ConnectionError):  # the gateway may close early; its responses are read nevertheless
            for piece in sequence.pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0 if len(sequence.pieces) < 9 else 0.0005)
        if not sequence.reads_every_response:
            if sequence.ending == "reset":
                connection = writer.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            return []
        if sequence.ending == "half close":
            with suppress(OSError):
                writer.write_eof()
        async with asyncio.timeout(WAIT):
            return await _responses(reader, writer, len(sequence.responses))
    finally:
        writer.close()


async def _responses(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, expected: int
) -> list[tuple[int, int]]:
    """Return the responses until the gateway closes; after `expected` ones the client closes its sending side."""
    found: list[tuple[int, int]] = []
    while True:
        if len(found) == expected and not writer.is_closing():
            with suppress(OSError):
                writer.write_eof()
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as end:
            if end.partial:
                raise
            return found
        status = int(head[9:12])
        if status == 100:
            continue
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(length)
        found.append((int(body) if status == 200 else 0, status))


@dataclass(slots=True)
class Outcome:
    """The result of sending many sequences."""

    sent: int = 0
    responses: int = 0
    faults: list[str] = field(default_factory=list)
    """A description of each unexpected response, exception or execution."""
    all_slots_are_free: bool = False


async def send_all(port: int, service_port: int, seed: int, count: int, *, at_once: int, slots: int) -> Outcome:
    """Send `count` sequences to the gateway at `port`, and serve its upstream at `service_port`.

    Then check that the bounded route still serves as many requests at once as it has `slots`.
    """
    executed: list[int] = []
    held = HeldRequests(slots)
    loop = asyncio.get_running_loop()
    transports: set[asyncio.Transport] = set()
    service = await loop.create_server(lambda: Recorder(executed, held, transports), "127.0.0.1", service_port)
    outcome = Outcome()
    waiting = sequences(seed, count)

    async def send_waiting() -> None:
        for sequence in waiting:
            executed_before = len(executed)
            try:
                responses = await send_sequence(port, sequence)
            except Exception as error:  # noqa: BLE001 - reported with the sequence that caused it
                outcome.faults.append(f"{sequence}: {error!r}")
                continue
            outcome.sent += 1
            outcome.responses += len(responses)
            if sequence.reads_every_response:
                since = executed[executed_before:]
                outcome.faults += _faults(sequence, responses, since)

    async with service:
        await asyncio.gather(*(send_waiting() for _ in range(at_once)))
        outcome.all_slots_are_free = await _fills_every_slot(port, slots)
        for transport in tuple(transports):
            transport.abort()
        await asyncio.sleep(0.05)  # until the aborted transports are closed
    counted = Counter(executed)
    outcome.faults += [f"executed twice: {number}" for number, times in counted.items() if number and times > 1]
    return outcome


def _faults(sequence: Sequence, responses: list[tuple[int, int]], executed: list[int]) -> Iterator[str]:
    if not sequence.matches(responses):
        yield f"{sequence}: got {responses}, expected {sequence.responses}"
    own = {step.number for step in sequence.steps} - {0}
    answered = {number for number, status in responses if status == 200 and number}
    if own.intersection(executed) != answered:
        yield f"{sequence}: executed {sorted(own.intersection(executed))}, answered {sorted(answered)}"


async def _fills_every_slot(port: int, slots: int) -> bool:
    """Return whether the bounded route serves `slots` requests concurrently.

    The slots of clients that are gone become free after a second or two.
    """

    async def send() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for _ in range(200):
                writer.write(b"GET /bounded/held HTTP/1.1\r\nHost: h\r\n\r\n")
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                await reader.readexactly(length)
                if int(head[9:12]) != 503:
                    return int(head[9:12])
                await asyncio.sleep(0.02)
            return 503
        finally:
            writer.close()

    try:
        async with asyncio.timeout(WAIT):
            return await asyncio.gather(*(send() for _ in range(slots))) == [200] * slots
    except TimeoutError:
        return False
