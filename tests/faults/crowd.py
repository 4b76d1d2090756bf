"""Many simultaneous clients that retry after Retry-After seconds."""

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
"""Simultaneous log-ins: few enough for the hash queue of one worker."""


async def ask_at_once(urls: Sequence[str], asks: Iterable[Ask]) -> list[Answer]:
    """Open all connections, spread over the gateways, and then send one request on each at the same time."""
    async with AsyncExitStack() as opened:
        called = []
        for url, ask in zip(itertools.cycle(urls), asks, strict=False):
            line = await opened.enter_async_context(Connection(url))
            await line.open()
            called.append(ask(line))
        return await asyncio.gather(*called)


async def patiently(url: str, ask: Ask, attempt_counters: int = 30) -> list[Answer]:
    """Send a request as an honest client: repeat it after Retry-After seconds. Return all responses."""
    async with Connection(url) as line:
        answers = [await ask(line)]
        while answers[-1].status in PASSING and len(answers) < attempt_counters:
            assert answers[-1].retry_after, f"{answers[-1].status} does not say when to come back"
            await asyncio.sleep(float(answers[-1].retry_after))
            answers.append(await ask(line))
    return answers


async def log_in_often(url: str, account: Account, times: int) -> list[Tokens]:
    """Log in to one account so many times; return the sessions."""
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
    """Return a refresh request."""
    return lambda line: line.ask("POST", "/auth/jwt/refresh/", document={"refresh": token})


def whoami_with(access: str, **headers: str) -> Ask:
    """Return a request to the resource service."""
    return lambda line: line.ask("GET", "/api/whoami", access=access, **headers)
