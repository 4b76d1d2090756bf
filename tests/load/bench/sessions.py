"""Measure log-in and refresh at the real auth service: two workers, SQLite, a client that checks each response.

Refreshes are compared with Django, djoser and simplejwt on SQLite; a log-in with one bare argon2id hash of the same
cost, by argon2-cffi and by libsodium, which the auth service uses.
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from argon2 import PasswordHasher
from nacl.pwhash import argon2id

from auth_service.settings import SECURE_HASH
from tests.faults.support.connection import Connection
from tests.faults.support.figures import percentile
from tests.faults.support.parallel_requests import open_sessions
from tests.faults.support.running_system import RunningSystem, running_system
from tests.load.bench.session_kinds import DJANGO, HASH, LOGIN, OURS, OWN_HASH, REFRESH
from tests.load.bench.tables import Table, make_table
from tests.load.measuring.processes import Processes, cpu_of, memory_of, wait_for
from tests.load.measuring.progress import Progress
from tests.load.measuring.wrk import Run
from tests.load.peers import django_djoser
from tests.ports import free_port
from tests.system.support.running_stack import PASSWORD

CLIENTS = 16
SESSIONS = 8_000
"""Enough that each session refreshes again only after its grace period of ten seconds, as real sessions do."""
AS_DEPLOYED = {
    "ARGON2_TIME_COST": str(SECURE_HASH.time),
    "ARGON2_MEMORY_COST": str(SECURE_HASH.memory),
    "RATE_LIMITS": "on",
}

Chain = list[str]
"""A session's newest refresh token, alone in a list."""
Pids = Callable[[], Sequence[int]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An auth service to measure: its URL, its processes and its sessions."""

    name: str
    url: str
    workers: Pids
    chains: Iterator[Chain]
    """An endless iterator over the sessions."""


def compare_sessions(
    folder: Path, kinds: Sequence[str], rounds: int, seconds: int, progress: Progress, left_out: dict[str, str]
) -> list[Table]:
    """Return a table for each kind. Services that cannot run here are added to `left_out` with the reason."""
    tables = []
    with running_system(AUTH_URL=f"http://127.0.0.1:{free_port()}", AUTH_WORKERS="2") as system:
        if REFRESH in kinds:
            with _candidates(folder, system, left_out) as candidates:
                runs = _take_turns(candidates, rounds, seconds, progress)
            tables.append(make_table(REFRESH, "Refresh: a rotation in SQLite", runs, (DJANGO,)))
        if LOGIN in kinds:
            runs = _measure_log_ins(system, rounds, seconds, progress)
            tables.append(make_table(LOGIN, "Log-in, one at a time", runs, (HASH,)))
    return tables


@contextmanager
def _candidates(folder: Path, system: RunningSystem, left_out: dict[str, str]) -> Iterator[list[Candidate]]:
    """Yield Sallyport's auth service, and Django's if it is installed."""
    tokens = asyncio.run(open_sessions(system.url, system.client().register(), SESSIONS))
    chains = [[token.refresh] for token in tokens]
    sallyport = Candidate(
        OURS, system.plan.settings.auth.url, lambda: tuple(system.auth.workers), itertools.cycle(chains)
    )
    with Processes(folder) as processes:
        if reason := django_djoser.unavailable():
            left_out[DJANGO] = reason
            yield [sallyport]
        else:
            port = free_port()
            refresh_tokens = django_djoser.prepare(folder, SESSIONS)
            django = django_djoser.start(processes, folder, port)
            wait_for(django, port)
            yield [
                sallyport,
                Candidate(
                    DJANGO,
                    f"http://127.0.0.1:{port}",
                    django.workers,
                    itertools.cycle([[token] for token in refresh_tokens]),
                ),
            ]


def _take_turns(
    candidates: Sequence[Candidate], rounds: int, seconds: int, progress: Progress
) -> dict[str, list[Run]]:
    runs: dict[str, list[Run]] = {candidate.name: [] for candidate in candidates}
    for number in range(rounds):
        for candidate in candidates:
            progress.begin_turn(f"refresh, round {number + 1} of {rounds}: {candidate.name}")
            runs[candidate.name].append(asyncio.run(_refresh(candidate, seconds)))
    return runs


async def _refresh(candidate: Candidate, seconds: int) -> Run:
    """Refresh with parallel clients, each of which takes the next session; expect 200 with a new token."""
    durations: list[float] = []
    problems: list[str] = []
    ends_at = time.perf_counter() + seconds

    async def client() -> None:
        async with Connection(candidate.url) as connection:
            while time.perf_counter() < ends_at:
                chain = next(candidate.chains)
                response = await connection.request("POST", "/auth/jwt/refresh/", document={"refresh": chain[0]})
                durations.append(response.seconds)
                used, chain[0] = chain[0], response.document["refresh"] if response.status == 200 else chain[0]
                if chain[0] == used:
                    problem = "the same token again" if response.status == 200 else repr(response.body[:200])
                    problems.append(f"{response.status} {problem}")

    before, began = cpu_of(candidate.workers()), time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    wall, workers = time.perf_counter() - began, candidate.workers()
    return _run(durations, wall, cpu_of(workers) - before, memory_of(workers), problems)


def _measure_log_ins(system: RunningSystem, rounds: int, seconds: int, progress: Progress) -> dict[str, list[Run]]:
    system.auth.stop()
    system.auth = system.auth.variant("auth", **AS_DEPLOYED)
    system.start_auth()
    email = system.client().register().email
    hashes = _bare_hashes()
    runs: dict[str, list[Run]] = {name: [] for name in (*hashes, OURS)}
    for number in range(rounds):
        for name, verify in hashes.items():
            progress.begin_turn(f"log-in, round {number + 1} of {rounds}: {name}")
            runs[name].append(_repeat(verify, seconds))
        progress.begin_turn(f"log-in, round {number + 1} of {rounds}: {OURS}")
        runs[OURS].append(asyncio.run(_log_in(system, email, seconds)))
    return runs


def _bare_hashes() -> Mapping[str, Callable[[], bool]]:
    """Return, for each library, a function that verifies one right password."""
    hasher = PasswordHasher(SECURE_HASH.time, SECURE_HASH.memory, parallelism=1)
    password_hash = hasher.hash(PASSWORD)
    return {
        HASH: lambda: hasher.verify(password_hash, PASSWORD),
        OWN_HASH: lambda: argon2id.verify(password_hash.encode(), PASSWORD.encode()),
    }


def _repeat(verify: Callable[[], bool], seconds: int) -> Run:
    durations: list[float] = []
    before, began = time.process_time(), time.perf_counter()
    while time.perf_counter() - began < seconds:
        started = time.perf_counter()
        verify()
        durations.append(time.perf_counter() - started)
    return _run(durations, time.perf_counter() - began, (time.process_time() - before) * 1e6, 0, [])


async def _log_in(system: RunningSystem, email: str, seconds: int) -> Run:
    durations: list[float] = []
    problems: list[str] = []
    before, began = cpu_of(system.auth.workers), time.perf_counter()
    async with Connection(system.plan.settings.auth.url) as connection:
        while time.perf_counter() - began < seconds:
            response = await connection.request(
                "POST", "/auth/jwt/create/", document={"email": email, "password": PASSWORD}
            )
            durations.append(response.seconds)
            if response.status != 200 or not response.document["access"]:
                problems.append(f"{response.status} {response.body[:200]!r}")
    wall, workers = time.perf_counter() - began, system.auth.workers
    return _run(durations, wall, cpu_of(workers) - before, memory_of(workers), problems)


def _run(durations: Sequence[float], wall: float, cpu: float, memory: int, problems: Sequence[str]) -> Run:
    return Run(
        rate=len(durations) / wall,
        p50=percentile(durations, 50) * 1000,
        p99=percentile(durations, 99) * 1000,
        cpu=cpu / len(durations),
        memory=memory,
        wrong=len(problems),
        problem=problems[0] if problems else "",
    )
