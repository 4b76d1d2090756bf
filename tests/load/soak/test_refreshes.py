"""Refreshes through the gateway, on SQLite: rate, latency, and the rows and keys that they leave."""

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, closing

import pytest

from tests.faults.support.connection import Connection, TimedResponse
from tests.faults.support.figures import AddFigure, percentile, percentiles_in_ms
from tests.faults.support.parallel_requests import open_sessions
from tests.faults.support.running_system import RunningSystem, running_system
from tests.system.support.running_stack import Tokens

MANY_SESSIONS, FEW_SESSIONS = 1_000, 100
"""The rate is measured with many sessions, so that each refreshes after its grace period, as real sessions do.
Rows are counted with few sessions, so that each has many generations."""
CLIENTS = 32
SECONDS = 15
"""Duration of a measurement."""
MIN_RATE = 500
"""Refreshes per second that the system must handle."""
MAX_P99 = 0.05
"""Maximum of the 99th percentile at half of MIN_RATE, in seconds."""
REFRESHES = 100_000

# A chain is a list with one item: the session's newest refresh token.
Chains = Sequence[list[str]]


@pytest.fixture(scope="module")
def system() -> Iterator[RunningSystem]:
    """Two workers of each service. The grace period is one second, because there are only a thousand sessions."""
    with running_system(AUTH_WORKERS="2", GATEWAY_WORKERS="2", REFRESH_GRACE="1") as running:
        yield running


@pytest.fixture(scope="module")
def chains(system: RunningSystem) -> Chains:
    """Many sessions, each with its newest refresh token."""
    return make_chains(system, MANY_SESSIONS)


def make_chains(system: RunningSystem, sessions: int) -> Chains:
    """Open sessions of one account, and return their chains."""
    opened: list[Tokens] = asyncio.run(open_sessions(system.url, system.client().register(), sessions))
    return [[tokens.refresh] for tokens in opened]


async def refresh(connection: Connection, chain: list[str]) -> TimedResponse:
    """Refresh a chain once."""
    response = await connection.request("POST", "/auth/jwt/refresh/", document={"refresh": chain[0]})
    assert response.status == 200, response.body[:300]
    chain[0] = response.document["refresh"]
    return response


async def refresh_at_full_speed(url: str, chains: Chains, is_done: Callable[[int], bool]) -> list[float]:
    """Refresh with several clients, each with its own chains; return the seconds of each refresh."""
    seconds: list[float] = []

    async def client(own: Chains) -> None:
        async with Connection(url) as connection:
            while not is_done(len(seconds)):
                for chain in own:
                    seconds.append((await refresh(connection, chain)).seconds)

    await asyncio.gather(*(client(chains[number::CLIENTS]) for number in range(CLIENTS)))
    return seconds


async def refresh_at_rate(url: str, chains: Chains, rate: float, seconds: float) -> list[float]:
    """Refresh at fixed times, without waiting for earlier responses; return the seconds since each due time."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    measured: list[float] = []
    locks = [asyncio.Lock() for _ in chains]

    async def refresh_once(due: float, index: int, connection: Connection) -> None:
        async with locks[index]:
            await refresh(connection, chains[index])
        measured.append(loop.time() - due)

    async with AsyncExitStack() as opened:
        connections = [await opened.enter_async_context(Connection(url)) for _ in chains]
        async with asyncio.TaskGroup() as group:
            for number in range(int(rate * seconds)):
                due = began + number / rate
                await asyncio.sleep(max(0.0, due - loop.time()))
                group.create_task(refresh_once(due, number % len(chains), connections[number % len(chains)]))
    return measured


def test_the_system_handles_five_hundred_refreshes_per_second(
    system: RunningSystem, chains: Chains, add_figure: AddFigure
) -> None:
    """Clients send without a pause, on two cores that they share with the system."""
    until = time.monotonic() + SECONDS
    measured = asyncio.run(refresh_at_full_speed(system.url, chains, lambda _: time.monotonic() > until))
    add_figure(
        f"{len(measured) / SECONDS:.0f} refreshes/s by {CLIENTS} clients for {SECONDS} s; "
        f"{percentiles_in_ms(measured)}"
    )
    assert len(measured) / SECONDS >= MIN_RATE


def test_at_half_of_that_rate_the_99th_percentile_is_under_50_ms(
    system: RunningSystem, chains: Chains, add_figure: AddFigure
) -> None:
    """The latency is measured from the time when each refresh was due."""
    measured = asyncio.run(refresh_at_rate(system.url, chains, MIN_RATE / 2, SECONDS))
    add_figure(f"at {MIN_RATE / 2:.0f} refreshes/s for {SECONDS} s: {percentiles_in_ms(measured)}")
    assert percentile(measured, 99) < MAX_P99


def test_a_hundred_thousand_refreshes_add_no_rows(add_figure: AddFigure) -> None:
    """Tables of sessions and audit events do not grow, and Redis has at most one blacklist entry per session."""
    with running_system(AUTH_WORKERS="2", GATEWAY_WORKERS="2", REFRESH_GRACE="0") as system:
        chains = make_chains(system, FEW_SESSIONS)
        before = row_counts(system)
        began = time.monotonic()
        measured = asyncio.run(refresh_at_full_speed(system.url, chains, lambda done: done >= REFRESHES))
        took = time.monotonic() - began
        with system.redis_client() as redis:
            entries = Counter(key.partition(":")[0] for key in redis.scan_iter(count=1000))
            memory = int(redis.info("memory")["used_memory"])
        after, generations = row_counts(system), highest_generation(system)
    add_figure(
        f"{len(measured)} refreshes of {FEW_SESSIONS} sessions in {took:.0f} s: {after} rows, Redis {dict(entries)}, "
        f"{memory / 1e6:.1f} MB, highest generation {generations}; {percentiles_in_ms(measured)}"
    )
    assert before["sessions"] == after["sessions"] == FEW_SESSIONS
    assert after["audit_events"] == before["audit_events"]
    assert entries["blacklist"] <= FEW_SESSIONS
    assert generations >= REFRESHES / FEW_SESSIONS / 2  # the refreshes were rotations, spread over the sessions


def row_counts(system: RunningSystem) -> dict[str, int]:
    """Return the number of rows of each table of the auth service."""
    with closing(sqlite3.connect(system.data_dir / "auth.db")) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}


def highest_generation(system: RunningSystem) -> int:
    """Return the highest generation of all sessions."""
    with closing(sqlite3.connect(system.data_dir / "auth.db")) as database:
        generation: int = database.execute("SELECT max(generation) FROM sessions").fetchone()[0]
        return generation
