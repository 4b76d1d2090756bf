"""Many clients at once: they ask together, and come back when they were told to."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from typing import TypeVar

from tests.faults.connection import Answer, Connection
from tests.system.running_stack import Account, Tokens

Ask = Callable[[Connection], Awaitable[Answer]]
Result = TypeVar("Result")

PASSING = (429, 503)
"""Statuses that say "later"."""

LOGGING_IN = 5
"""At once: few enough that nobody is told that too many passwords are being hashed, even by one worker alone."""


async def ask_at_once(urls: Sequence[str], asks: Iterable[Ask]) -> list[Answer]:
    """Opens all connections first, spread over the gateways, and then asks on all of them in the same moment."""
    async with AsyncExitStack() as opened:
        called = []
        for url, ask in zip(itertools.cycle(urls), asks, strict=False):
            line = await opened.enter_async_context(Connection(url))
            await line.open()
            called.append(ask(line))
        return await asyncio.gather(*called)


async def patiently(url: str, ask: Ask, attempt_counters: int = 30) -> list[Answer]:
    """As an honest client asks: again after Retry-After seconds, for as long as it is told "later". All answers."""
    async with Connection(url) as line:
        answers = [await ask(line)]
        while answers[-1].status in PASSING and len(answers) < attempt_counters:
            assert answers[-1].retry_after, f"{answers[-1].status} does not say when to come back"
            await asyncio.sleep(float(answers[-1].retry_after))
            answers.append(await ask(line))
    return answers


async def log_in_often(url: str, account: Account, times: int) -> list[Tokens]:
    """So many sessions of one account."""
    credentials = {"email": account.email, "password": account.password}
    todo = iter(range(times))
    sessions: list[Tokens] = []

    async def log_in() -> None:
        async with Connection(url) as line:
            for _ in todo:
                answer = await line.ask("POST", "/auth/jwt/create/", document=credentials)
                assert answer.status == 200, answer.body
                sessions.append(Tokens(answer.document["access"], answer.document["refresh"]))

    await asyncio.gather(*(log_in() for _ in range(LOGGING_IN)))
    return sessions


def refresh_with(token: str) -> Ask:
    """The contract's refresh."""
    return lambda line: line.ask("POST", "/auth/jwt/refresh/", document={"refresh": token})


def whoami_with(access: str, **headers: str) -> Ask:
    """A request to the resource service."""
    return lambda line: line.ask("GET", "/api/whoami", access=access, **headers)
