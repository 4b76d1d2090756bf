"""The time until a log-out takes effect, measured at every worker of every gateway."""

import asyncio
import time

from tests.faults.connection import Connection
from tests.faults.crowd import log_in_often
from tests.faults.figures import Say, in_ms, percentile
from tests.faults.running_system import RunningSystem
from tests.system.running_stack import Tokens

LOGOUTS = 120
WORKERS = 4


async def one_line_a_worker(urls: list[str], access: str) -> list[Connection]:
    """Return a connection to each worker: the first half of a request id identifies the worker."""
    lines: dict[str, Connection] = {}
    while len(lines) < WORKERS:
        for url in urls:
            line = Connection(url)
            answer = await line.ask("GET", "/api/whoami", access=access)
            if lines.setdefault(answer.headers["x-request-id"][:16], line) is not line:
                line.close()
    return list(lines.values())


async def seconds_until_refused(line: Connection, access: str, since: float) -> float:
    """Send requests until the worker of this connection refuses the token; return the seconds."""
    while (answer := await line.ask("GET", "/api/whoami", access=access)).status == 200:  # noqa: ASYNC110
        await asyncio.sleep(0.002)
    assert (answer.status, answer.document["code"]) == (401, "token_revoked")
    return time.perf_counter() - since


async def delays(urls: list[str], sessions: list[Tokens]) -> list[float]:
    """Return, for each log-out and worker, the seconds from the log-out's response to the first refusal."""
    lines = await one_line_a_worker(urls, sessions[0].access)
    auth = Connection(urls[0])
    measured: list[float] = []
    for tokens in sessions:
        for line in lines:
            assert (await line.ask("GET", "/api/whoami", access=tokens.access)).status == 200
        answer = await auth.ask("POST", "/auth/jwt/blacklist/", document={"refresh": tokens.refresh})
        assert answer.status == 200
        since = time.perf_counter()
        measured += await asyncio.gather(*(seconds_until_refused(line, tokens.access, since) for line in lines))
    for line in (*lines, auth):
        line.close()
    return measured


def test_a_logout_is_known_to_every_gateway_worker_within_a_second(system: RunningSystem, say: Say) -> None:
    """A token that was revoked through one gateway is refused by the other, too."""

    async def measure() -> list[float]:
        sessions = await log_in_often(system.url, system.client().register(), LOGOUTS)
        return await delays(system.urls, sessions)

    measured = asyncio.run(measure())
    say(f"{LOGOUTS} logouts at {WORKERS} workers of 2 gateways: {in_ms(measured)}")
    assert percentile(measured, 99) < 1
