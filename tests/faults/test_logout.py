"""After a log-out, every worker of every gateway soon refuses the session's access token."""

import asyncio
import time

from tests.faults.support.connection import Connection
from tests.faults.support.figures import AddFigure, percentile, percentiles_in_ms
from tests.faults.support.parallel_requests import open_sessions
from tests.faults.support.running_system import RunningSystem
from tests.system.support.running_stack import Tokens

LOGOUTS = 120
WORKERS = 4
"""Workers of the two gateways together."""


async def connection_per_worker(urls: list[str], access: str) -> list[Connection]:
    """Return a connection to each worker. The first 16 characters of a request id identify its worker."""
    connections: dict[str, Connection] = {}
    while len(connections) < WORKERS:
        for url in urls:
            connection = Connection(url)
            response = await connection.request("GET", "/api/whoami", access=access)
            if connections.setdefault(response.headers["x-request-id"][:16], connection) is not connection:
                connection.close()
    return list(connections.values())


async def seconds_until_refused(connection: Connection, access: str, since: float) -> float:
    """Send requests until the worker refuses the token. Return the seconds since `since` (`time.perf_counter`)."""
    while (response := await connection.request("GET", "/api/whoami", access=access)).status == 200:  # noqa: ASYNC110
        await asyncio.sleep(0.002)
    assert (response.status, response.document["code"]) == (401, "token_revoked")
    return time.perf_counter() - since


async def measure_delays(urls: list[str], sessions: list[Tokens]) -> list[float]:
    """Return, for each log-out and each worker, the seconds from the log-out's response to the first refusal."""
    connections = await connection_per_worker(urls, sessions[0].access)
    auth = Connection(urls[0])
    measured: list[float] = []
    for tokens in sessions:
        for connection in connections:
            assert (await connection.request("GET", "/api/whoami", access=tokens.access)).status == 200
        response = await auth.request("POST", "/auth/jwt/blacklist/", document={"refresh": tokens.refresh})
        assert response.status == 200
        since = time.perf_counter()
        measured += await asyncio.gather(
            *(seconds_until_refused(connection, tokens.access, since) for connection in connections)
        )
    for connection in (*connections, auth):
        connection.close()
    return measured


def test_every_gateway_worker_refuses_the_token_within_a_second_of_a_logout(
    system: RunningSystem, add_figure: AddFigure
) -> None:
    """The log-out goes through one gateway; the workers of the other gateway refuse the token as well.

    99 of 100 refusals must come within the second.
    """

    async def measure() -> list[float]:
        sessions = await open_sessions(system.url, system.client().register(), LOGOUTS)
        return await measure_delays(system.urls, sessions)

    measured = asyncio.run(measure())
    add_figure(f"{LOGOUTS} logouts at {WORKERS} workers of 2 gateways: {percentiles_in_ms(measured)}")
    assert percentile(measured, 99) < 1
