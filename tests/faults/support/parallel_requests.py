"""Requests of many clients at once, and clients that retry after Retry-After."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack

from tests.faults.support.connection import Connection, TimedResponse
from tests.system.support.running_stack import Account, Tokens

SendRequest = Callable[[Connection], Awaitable[TimedResponse]]

RETRYABLE = (429, 503)

PARALLEL_LOGINS = 5
"""Log-ins at a time: few enough that even one worker refuses none because its queue for password hashing is full."""


async def send_in_parallel(urls: Sequence[str], requests: Iterable[SendRequest]) -> list[TimedResponse]:
    """Open one connection per request, spread over `urls`; then send all requests at the same moment."""
    async with AsyncExitStack() as opened:
        pending = []
        for url, send in zip(itertools.cycle(urls), requests, strict=False):
            connection = await opened.enter_async_context(Connection(url))
            await connection.open()
            pending.append(send(connection))
        return await asyncio.gather(*pending)


async def send_until_served(url: str, send: SendRequest, max_attempts: int = 30) -> list[TimedResponse]:
    """Send a request, and again after Retry-After seconds while the response is 429 or 503. Return all responses."""
    async with Connection(url) as connection:
        responses = [await send(connection)]
        while responses[-1].status in RETRYABLE and len(responses) < max_attempts:
            assert responses[-1].retry_after, f"{responses[-1].status} without Retry-After"
            await asyncio.sleep(float(responses[-1].retry_after))
            responses.append(await send(connection))
    return responses


async def open_sessions(url: str, account: Account, times: int) -> list[Tokens]:
    """Log in `times` times with one account, and return the tokens of the sessions."""
    credentials = {"email": account.email, "password": account.password}
    remaining = iter(range(times))
    sessions: list[Tokens] = []

    async def log_in() -> None:
        async with Connection(url) as connection:
            for _ in remaining:
                response = await connection.request("POST", "/auth/jwt/create/", document=credentials)
                assert response.status == 200, response.body
                sessions.append(Tokens(response.document["access"], response.document["refresh"]))

    await asyncio.gather(*(log_in() for _ in range(PARALLEL_LOGINS)))
    return sessions


def refresh_with(token: str) -> SendRequest:
    """Return a request that refreshes with `token`."""
    return lambda connection: connection.request("POST", "/auth/jwt/refresh/", document={"refresh": token})


def whoami_with(access: str, **headers: str) -> SendRequest:
    """Return a request to the resource service."""
    return lambda connection: connection.request("GET", "/api/whoami", access=access, **headers)
