"""Forty clients log in at once, each password at its real cost, and whoever is logged in does not notice."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Sequence

from auth_service.settings import SECURE_HASH
from tests.faults.connection import Answer, Connection
from tests.faults.crowd import PASSING
from tests.faults.figures import Say, in_ms
from tests.faults.running_system import running_system
from tests.system.running_stack import Account, Tokens

SECURE = {"ARGON2_TIME_COST": str(SECURE_HASH.time), "ARGON2_MEMORY_COST": str(SECURE_HASH.memory)}
STORM = 40
"""Clients."""
SESSIONS = 40
RATE, SECONDS = 20, 10.0
"""Refreshes a second, and for how long."""
GRACE = 1
"""Seconds. A session comes round again after two."""
PATIENCE = 2.0
"""Seconds that no refresh may wait."""


def test_a_storm_of_logins_leaves_refreshes_alive(say: Say) -> None:
    """Every refresh is a 200, soon. Log-ins are let in as far as there is room, the others told when to come back."""
    told = {"AUTH_WORKERS": "2", "GATEWAY_WORKERS": "2", "REFRESH_GRACE": str(GRACE)}
    with running_system(gateways=1, **told, **SECURE) as system:
        client = system.client()
        account = client.register()
        sessions = [client.login(account) for _ in range(SESSIONS)]
        refreshes, logins = asyncio.run(refresh_in_a_storm(system.url, account, sessions))
    statuses = Counter(answer.status for answer in logins)
    seconds = [answer.seconds for answer in refreshes]
    say(f"{RATE} refreshes/s while {STORM} clients log in, {dict(statuses)}: {in_ms(seconds)}")
    assert Counter(answer.status for answer in refreshes) == {200: int(RATE * SECONDS)}
    assert max(seconds) < PATIENCE
    assert set(statuses) == {200, 503}
    assert all(int(answer.retry_after or 0) > 0 for answer in logins if answer.status == 503)


async def refresh_in_a_storm(
    url: str, account: Account, sessions: Sequence[Tokens]
) -> tuple[list[Answer], list[Answer]]:
    """What refreshes at fixed moments were answered, and the log-ins beside them."""
    logins: list[Answer] = []
    async with asyncio.TaskGroup() as group:
        storm = [group.create_task(log_in_again_and_again(url, account, logins)) for _ in range(STORM)]
        refreshes = await refresh_at_a_rate(url, sessions)
        for client in storm:
            client.cancel()
    return refreshes, logins


async def log_in_again_and_again(url: str, account: Account, logins: list[Answer]) -> None:
    """Until it is cancelled. A third of a second's pause after a "later": sooner than any client should come back."""
    credentials = {"email": account.email, "password": account.password}
    async with Connection(url) as line:
        while True:
            logins.append(await line.ask("POST", "/auth/jwt/create/", document=credentials))
            if logins[-1].status in PASSING:
                await asyncio.sleep(0.3)


async def refresh_at_a_rate(url: str, sessions: Sequence[Tokens]) -> list[Answer]:
    """The sessions in turn, one at each moment, whether or not the one before has been answered."""
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
