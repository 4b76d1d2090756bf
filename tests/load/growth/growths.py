"""The quantities that grow, and how to start a gateway with a given number of each."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from redis import Redis

from contract.revocation import SESSION, STREAM, Revocation
from tests.load.measuring.processes import NotServing, Process, Processes
from tests.load.measuring.servers import start_server, wait_for_expected_response
from tests.load.measuring.supplies import CONNECTIONS, Supplies
from tests.load.measuring.tokens import Signer, TokenFile
from tests.load.measuring.workloads import WORKLOADS
from tests.load.measuring.wrk import Server, Turn, take_turn
from tests.load.peers import SALLYPORT
from tests.load.peers.sallyport import ROUTES, start_with
from tests.load.peers.setup import PeerSetup

LOAD_TIMEOUT = 300.0
"""Seconds that a gateway may take to read the existing revocations."""
MAX_RATE = 60_000
"""Requests per second that no turn exceeds."""
WORKERS = "workers"
"""The name of the growth whose report has a model of more cores."""
WORKER_CONNECTIONS = 128
"""Connections of a turn that compares numbers of workers: with 32, a worker of four may get only a few."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """The folder, the signer and the files that all sizes share."""

    folder: Path
    signer: Signer
    supplies: Supplies


_MIX = next(workload for workload in WORKLOADS if workload.name == "mix")
_REVOCATIONS_METRIC = b"sallyport_gateway_revocations "

MakeTurn = Callable[[int, int], Turn]
"""Returns the turn of a round: its number (the first is 0) and its length in seconds."""
StartGateway = Callable[[Inputs, Processes, PeerSetup, int], AbstractContextManager[tuple[Server, MakeTurn]]]


@dataclass(frozen=True, slots=True)
class Growth:
    """A growing quantity: its unit, the label of its axis, its sizes, and how to start a gateway with a size."""

    name: str
    title: str
    unit: str
    axis: str
    sizes: tuple[int, ...]
    start: StartGateway


@contextmanager
def _routes(inputs: Inputs, processes: Processes, setup: PeerSetup, size: int) -> Iterator[tuple[Server, MakeTurn]]:
    others = (
        f'[[routes]]\nprefix = "/service-{number}/"\nupstream = "notes"\naccess = "authenticated"\n'
        for number in range(size - 1)
    )
    yield _start_gateway(inputs, processes, setup, routes=ROUTES + "".join(others)), partial(_valid, inputs)


@contextmanager
def _revoked(inputs: Inputs, processes: Processes, setup: PeerSetup, size: int) -> Iterator[tuple[Server, MakeTurn]]:
    now = int(time.time())
    with Redis.from_url(setup.redis_url) as redis:
        for begun in range(0, size, 10_000):
            pipeline = redis.pipeline(transaction=False)
            for number in range(begun, min(size, begun + 10_000)):
                pipeline.xadd(STREAM, Revocation(SESSION, f"session-{number:032}", now, now + 3600).to_fields())
            pipeline.execute()
    server = _start_gateway(inputs, processes, setup)
    _wait_for_revocations(inputs.folder, server, size)
    yield server, partial(_valid, inputs)


@contextmanager
def _tokens(inputs: Inputs, processes: Processes, setup: PeerSetup, size: int) -> Iterator[tuple[Server, MakeTurn]]:
    tokens = inputs.signer.write(inputs.folder / f"{size}.tokens", size)
    # The readiness check uses a token too. A cache that is too small would drop each token before its next use.
    server = _start_gateway(inputs, processes, setup, VERIFIED_TOKENS=str(size + 100))
    count = size + CONNECTIONS
    take_turn(server, Turn("/api/note", CONNECTIONS, 600, (*_with_many(inputs, tokens, 0), f"count={count}")))

    def turn(number: int, seconds: int) -> Turn:
        # Each round begins after the tokens of the previous one.
        begin = number * seconds * MAX_RATE
        return Turn("/api/note", CONNECTIONS, seconds, _with_many(inputs, tokens, begin))

    yield server, turn
    tokens.path.unlink()


@contextmanager
def _workers(inputs: Inputs, processes: Processes, setup: PeerSetup, size: int) -> Iterator[tuple[Server, MakeTurn]]:
    server = _start_gateway(inputs, processes, setup, GATEWAY_WORKERS=str(size))
    take_turn(server, _mix(inputs, 0, seconds=2))  # each worker verifies each token and exchanges each session once
    yield server, partial(_mix, inputs)


@contextmanager
def _idle(inputs: Inputs, processes: Processes, setup: PeerSetup, size: int) -> Iterator[tuple[Server, MakeTurn]]:
    server = _start_gateway(inputs, processes, setup)
    with ExitStack() as opened:
        for _ in range(size):
            _open_idle_connection(opened, server, inputs.supplies.token)
        yield server, partial(_valid, inputs)


GROWTHS = (
    Growth("routes", "Routes", "route", "routes in the file", (1, 10, 100, 1_000), _routes),
    Growth(
        "revoked",
        "Revoked sessions",
        "revoked session",
        "sessions revoked",
        (1_000, 10_000, 100_000, 1_000_000),
        _revoked,
    ),
    Growth("tokens", "Tokens in use", "token", "tokens, in turn", (1_000, 10_000, 100_000, 1_000_000), _tokens),
    Growth(WORKERS, "Gateway workers, the mix of an application", "worker", "workers", (1, 2, 4), _workers),
    Growth("idle", "Idle connections", "idle connection", "connections that wait", (0, 100, 1_000, 10_000), _idle),
)


def _start_gateway(
    inputs: Inputs, processes: Processes, setup: PeerSetup, routes: str = ROUTES, **settings: str
) -> Server:
    def start(processes: Processes, setup: PeerSetup, port: int) -> Process:
        return start_with(processes, setup, port, routes, **settings)

    server = start_server(SALLYPORT, start, processes, setup)
    wait_for_expected_response(server, inputs.supplies)
    return server


def _valid(inputs: Inputs, number: int, seconds: int) -> Turn:
    supplies = inputs.supplies
    return Turn("/api/note", CONNECTIONS, seconds, (f"token={supplies.token}", "status=200", f"body={supplies.note}"))


def _mix(inputs: Inputs, number: int, seconds: int) -> Turn:
    return replace(_MIX.turn(inputs.supplies, number, seconds), connections=WORKER_CONNECTIONS)


def _with_many(inputs: Inputs, tokens: TokenFile, begin: int) -> tuple[str, ...]:
    return f"tokens={tokens.path}", f"offset={tokens.offset(begin)}", "status=200", f"body={inputs.supplies.note}"


def _open_idle_connection(opened: ExitStack, server: Server, token: str) -> None:
    """Open a connection, receive one response and keep it open: the gateway closes connections without a request."""
    address = urlsplit(server.url)
    connection = opened.enter_context(socket.create_connection((address.hostname, address.port), timeout=10))
    connection.sendall(f"GET /api/note HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    if not connection.recv(4096).startswith(b"HTTP/1.1 200 "):
        raise NotServing(f"{server.name} did not serve an idle connection:\n{server.recent_output()}")


def _wait_for_revocations(folder: Path, server: Server, size: int) -> None:
    deadline = time.monotonic() + LOAD_TIMEOUT
    port = urlsplit(server.url).port
    while _revocation_count(_metrics(folder / f"internal-{port}.sock")) != size:
        if time.monotonic() > deadline:
            raise NotServing(f"{server.name} did not read {size} revocations in {LOAD_TIMEOUT:.0f} s")
        time.sleep(0.5)


def _revocation_count(metrics: bytes) -> float:
    # Prometheus writes a million as 1e+06.
    return next((float(line.split()[1]) for line in metrics.splitlines() if line.startswith(_REVOCATIONS_METRIC)), 0)


def _metrics(path: Path) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
        return b"".join(iter(lambda: connection.recv(65536), b""))
