"""Two thousand clients log in at once, with passwords at their real cost; clients that are logged in are not
affected.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Sequence

import pytest

from auth_service.settings import SECURE_HASH
from tests.faults.connection import Answer, Connection
from tests.faults.crowd import ask_at_once
from tests.faults.figures import Say, in_ms
from tests.faults.running_system import running_system
from tests.system.running_stack import Account, Tokens

SECURE = {"ARGON2_TIME_COST": str(SECURE_HASH.time), "ARGON2_MEMORY_COST": str(SECURE_HASH.memory)}
STORM = 2_000
"""Clients."""
SESSIONS = 40
RATE, SECONDS = 20, 15.0
"""Refreshes a second, and for how long."""
GRACE = 1
"""Seconds. A session comes round again after two."""
P99 = 0.2
"""Seconds for all but one in a hundred refreshes."""
ANSWERED = 15.0
"""Seconds after which every log-in has an answer."""


@pytest.mark.parametrize("path", ["/auth/jwt/create/", "/session/"])
def test_a_storm_of_logins_leaves_refreshes_alive(say: Say, path: str) -> None:
    """Every refresh is a 200 within a short time. Every log-in succeeds or receives a Retry-After."""
    settings = {"AUTH_WORKERS": "2", "GATEWAY_WORKERS": "2", "REFRESH_GRACE": str(GRACE)}
    with running_system(gateways=1, **settings, **SECURE) as system:
        client = system.client()
        account = client.register()
        sessions = [client.login(account) for _ in range(SESSIONS)]
        refreshes, logins = asyncio.run(refresh_in_a_storm(system.url, path, account, sessions))
    statuses = Counter(answer.status for answer in logins)
    seconds = sorted(answer.seconds for answer in refreshes)
    say(f"{RATE} refreshes/s while {STORM} clients log in at {path}, {dict(statuses)}: {in_ms(seconds)}")
    assert Counter(answer.status for answer in refreshes) == {200: int(RATE * SECONDS)}
    assert seconds[int(len(seconds) * 0.99)] < P99
    assert set(statuses) == {200, 503}
    assert statuses.total() == STORM
    assert statuses[200] >= 100
    assert all(int(answer.retry_after or 0) > 0 for answer in logins if answer.status == 503)
    assert max(answer.seconds for answer in logins) < ANSWERED


async def refresh_in_a_storm(
    url: str, path: str, account: Account, sessions: Sequence[Tokens]
) -> tuple[list[Answer], list[Answer]]:
    """Return the responses to refreshes at fixed times and to simultaneous log-ins."""
    credentials = {"email": account.email, "password": account.password}

    async def log_in(line: Connection) -> Answer:
        return await line.ask("POST", path, document=credentials, X_Requested_With="x", Sec_Fetch_Site="same-origin")

    refreshes, logins = await asyncio.gather(refresh_at_a_rate(url, sessions), ask_at_once([url], [log_in] * STORM))
    return refreshes, logins


async def refresh_at_a_rate(url: str, sessions: Sequence[Tokens]) -> list[Answer]:
    """Refresh the sessions in turn at fixed times, without waiting for earlier responses."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    newest = [tokens.refresh for tokens in sessions]

    async def refresh(place: int) -> Answer:
        async with Connection(url) as line:
            answer = await line.ask("POST", "/auth/jwt/refresh/", document={"refresh": newest[place]})
        if answer.status == 200:
            newest[place] = answer.document["refresh"]
        return answer

    due: list[asyncio.Task[Answer]] = []
    for number, place in zip(range(int(RATE * SECONDS)), itertools.cycle(range(len(sessions))), strict=False):
        await asyncio.sleep(max(0.0, began + number / RATE - loop.time()))
        due.append(asyncio.create_task(refresh(place)))
    return await asyncio.gather(*due)
