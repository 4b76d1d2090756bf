"""The quantities that can grow under a gateway, and gateways with so many of each."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from redis import Redis

from contract.revocation import SESSION, STREAM, Revocation
from tests.load.contest import check, start_server
from tests.load.peers import SALLYPORT
from tests.load.peers.ground import Ground
from tests.load.peers.sallyport import ROUTES, start_with
from tests.load.processes import NotServing, Process, Processes
from tests.load.tokens import Signer, TokenFile
from tests.load.workloads import CONNECTIONS, Supplies
from tests.load.wrk import Server, Turn, take_turn

LEARNING = 300.0
"""Seconds that a gateway may take to learn what was revoked before it started."""
MOST_RATE = 60_000
"""Requests a second that no turn exceeds."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What all sizes share."""

    folder: Path
    signer: Signer
    supplies: Supplies


_KNOWN = b"sallyport_gateway_revocations "

TurnOf = Callable[[int, int], Turn]
"""The turn of a round (the first is 0), of so many seconds."""
Grown = Callable[[Setting, Processes, Ground, int], AbstractContextManager[tuple[Server, TurnOf]]]


@dataclass(frozen=True, slots=True)
class Growth:
    """A growing quantity: its sizes, and how to start a gateway with so many."""

    name: str
    title: str
    across: str
    sizes: tuple[int, ...]
    grown: Grown


@contextmanager
def _routes(setting: Setting, processes: Processes, ground: Ground, size: int) -> Iterator[tuple[Server, TurnOf]]:
    others = (
        f'[[routes]]\nprefix = "/service-{number}/"\nupstream = "notes"\naccess = "authenticated"\n'
        for number in range(size - 1)
    )
    yield _gateway(setting, processes, ground, routes=ROUTES + "".join(others)), partial(_valid, setting)


@contextmanager
def _revoked(setting: Setting, processes: Processes, ground: Ground, size: int) -> Iterator[tuple[Server, TurnOf]]:
    now = int(time.time())
    with Redis.from_url(ground.redis_url) as redis:
        for begun in range(0, size, 10_000):
            pipeline = redis.pipeline(transaction=False)
            for number in range(begun, min(size, begun + 10_000)):
                pipeline.xadd(STREAM, Revocation(SESSION, f"session-{number:032}", now, now + 3600).to_fields())
            pipeline.execute()
    server = _gateway(setting, processes, ground)
    _wait_until_learnt(setting.folder, server, size)
    yield server, partial(_valid, setting)


@contextmanager
def _tokens(setting: Setting, processes: Processes, ground: Ground, size: int) -> Iterator[tuple[Server, TurnOf]]:
    tokens = setting.signer.write(setting.folder / f"{size}.tokens", size)
    # One more for the readiness check: a full cache would drop all tokens that are used in turn.
    server = _gateway(setting, processes, ground, VERIFIED_TOKENS=str(size + 100))
    shown = size + CONNECTIONS
    take_turn(server, Turn("/api/note", CONNECTIONS, 600, (*_with_many(setting, tokens, 0), f"count={shown}")))

    def turn(number: int, seconds: int) -> Turn:
        # No round begins with tokens of the one before.
        begin = number * seconds * MOST_RATE
        return Turn("/api/note", CONNECTIONS, seconds, _with_many(setting, tokens, begin))

    yield server, turn
    tokens.path.unlink()


@contextmanager
def _workers(setting: Setting, processes: Processes, ground: Ground, size: int) -> Iterator[tuple[Server, TurnOf]]:
    yield _gateway(setting, processes, ground, GATEWAY_WORKERS=str(size)), partial(_valid, setting)


@contextmanager
def _idle(setting: Setting, processes: Processes, ground: Ground, size: int) -> Iterator[tuple[Server, TurnOf]]:
    server = _gateway(setting, processes, ground)
    with ExitStack() as opened:
        for _ in range(size):
            _ask_and_stay(opened, server, setting.supplies.token)
        yield server, partial(_valid, setting)


GROWTHS = (
    Growth("routes", "Routes", "routes in the file", (1, 10, 100, 1_000), _routes),
    Growth("revoked", "Revoked sessions", "sessions revoked", (1_000, 10_000, 100_000, 1_000_000), _revoked),
    Growth("tokens", "Tokens in use", "tokens, in turn", (1_000, 10_000, 100_000, 1_000_000), _tokens),
    Growth("workers", "Gateway workers", "workers", (1, 2), _workers),
    Growth("idle", "Idle connections", "connections that wait", (0, 100, 1_000, 10_000), _idle),
)


def _gateway(setting: Setting, processes: Processes, ground: Ground, routes: str = ROUTES, **settings: str) -> Server:
    def start(processes: Processes, ground: Ground, port: int) -> Process:
        return start_with(processes, ground, port, routes, **settings)

    server = start_server(SALLYPORT, start, processes, ground)
    check(server, setting.supplies)
    return server


def _valid(setting: Setting, number: int, seconds: int) -> Turn:
    supplies = setting.supplies
    return Turn("/api/note", CONNECTIONS, seconds, (f"token={supplies.token}", "status=200", f"body={supplies.note}"))


def _with_many(setting: Setting, tokens: TokenFile, begin: int) -> tuple[str, ...]:
    return f"tokens={tokens.path}", f"offset={tokens.offset(begin)}", "status=200", f"body={setting.supplies.note}"


def _ask_and_stay(opened: ExitStack, server: Server, token: str) -> None:
    """Open a connection, receive one response and keep it open: the gateway closes connections without a request."""
    address = urlsplit(server.url)
    line = opened.enter_context(socket.create_connection((address.hostname, address.port), timeout=10))
    line.sendall(f"GET /api/note HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    if not line.recv(4096).startswith(b"HTTP/1.1 200 "):
        raise NotServing(f"{server.name} refused an idle connection:\n{server.recent_output()}")


def _wait_until_learnt(folder: Path, server: Server, size: int) -> None:
    deadline = time.monotonic() + LEARNING
    port = urlsplit(server.url).port
    while _learnt(_metrics(folder / f"internal-{port}.sock")) != size:
        if time.monotonic() > deadline:
            raise NotServing(f"{server.name} did not learn {size} revocations in {LEARNING:.0f} s")
        time.sleep(0.5)


def _learnt(metrics: bytes) -> float:
    # A million is written as 1e+06.
    return next((float(line.split()[1]) for line in metrics.splitlines() if line.startswith(_KNOWN)), 0)


def _metrics(path: Path) -> bytes:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(10)
        line.connect(str(path))
        line.sendall(b"GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
        return b"".join(iter(lambda: line.recv(65536), b""))
