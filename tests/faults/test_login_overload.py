"""Two thousand clients log in at once, with password hashing at its real cost; refreshes are not slowed down."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Sequence

import pytest

from auth_service.settings import SECURE_HASH
from tests.faults.support.connection import Connection, TimedResponse
from tests.faults.support.figures import AddFigure, percentile, percentiles_in_ms
from tests.faults.support.parallel_requests import send_in_parallel
from tests.faults.support.running_system import running_system
from tests.system.support.running_stack import Account, Tokens

SECURE = {"ARGON2_TIME_COST": str(SECURE_HASH.time), "ARGON2_MEMORY_COST": str(SECURE_HASH.memory)}
LOGINS = 2_000
SESSIONS = 40
RATE, SECONDS = 20, 15.0
"""Refreshes per second, and the duration in seconds."""
GRACE = 1
"""REFRESH_GRACE in seconds: shorter than the two seconds between two refreshes of a session."""
MIN_LOGINS = 100
"""Log-ins that must succeed."""
MAX_P99 = 0.2
"""Maximum of the 99th percentile of the refreshes, in seconds."""
LOGIN_DEADLINE = 15.0
"""Seconds within which every log-in must get a response."""


@pytest.mark.parametrize("path", ["/auth/jwt/create/", "/session/"])
def test_refreshes_stay_quick_during_thousands_of_logins(add_figure: AddFigure, path: str) -> None:
    """Every refresh gets 200. Every log-in gets 200, or 503 with Retry-After."""
    settings = {"AUTH_WORKERS": "2", "GATEWAY_WORKERS": "2", "REFRESH_GRACE": str(GRACE)}
    with running_system(gateways=1, **settings, **SECURE) as system:
        client = system.client()
        account = client.register()
        sessions = [client.login(account) for _ in range(SESSIONS)]
        refreshes, logins = asyncio.run(refresh_during_logins(system.url, path, account, sessions))
    statuses = Counter(response.status for response in logins)
    seconds = [response.seconds for response in refreshes]
    add_figure(
        f"{RATE} refreshes/s while {LOGINS} clients log in at {path}, {dict(statuses)}: {percentiles_in_ms(seconds)}"
    )
    assert Counter(response.status for response in refreshes) == {200: int(RATE * SECONDS)}
    assert percentile(seconds, 99) < MAX_P99
    assert set(statuses) == {200, 503}
    assert statuses.total() == LOGINS
    assert statuses[200] >= MIN_LOGINS
    assert all(int(response.retry_after or 0) > 0 for response in logins if response.status == 503)
    assert max(response.seconds for response in logins) < LOGIN_DEADLINE


async def refresh_during_logins(
    url: str, path: str, account: Account, sessions: Sequence[Tokens]
) -> tuple[list[TimedResponse], list[TimedResponse]]:
    """Refresh at a fixed rate while all log-ins are sent at once. Return the responses of both."""
    credentials = {"email": account.email, "password": account.password}

    async def log_in(connection: Connection) -> TimedResponse:
        return await connection.request(
            "POST", path, document=credentials, X_Requested_With="x", Sec_Fetch_Site="same-origin"
        )

    refreshes, logins = await asyncio.gather(
        refresh_at_a_rate(url, sessions), send_in_parallel([url], [log_in] * LOGINS)
    )
    return refreshes, logins


async def refresh_at_a_rate(url: str, sessions: Sequence[Tokens]) -> list[TimedResponse]:
    """Refresh the sessions in turn at a fixed rate, without waiting for earlier responses."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    newest = [tokens.refresh for tokens in sessions]

    async def refresh(index: int) -> TimedResponse:
        async with Connection(url) as connection:
            response = await connection.request("POST", "/auth/jwt/refresh/", document={"refresh": newest[index]})
        if response.status == 200:
            newest[index] = response.document["refresh"]
        return response

    tasks: list[asyncio.Task[TimedResponse]] = []
    for number, index in zip(range(int(RATE * SECONDS)), itertools.cycle(range(len(sessions))), strict=False):
        await asyncio.sleep(max(0.0, began + number / RATE - loop.time()))
        tasks.append(asyncio.create_task(refresh(index)))
    return await asyncio.gather(*tasks)
