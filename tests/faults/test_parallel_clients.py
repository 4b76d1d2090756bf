"""Many clients send at once: no session ends, and every refusal has Retry-After."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from itertools import cycle

from tests.faults.support.connection import TimedResponse
from tests.faults.support.figures import AddFigure, percentiles_in_ms
from tests.faults.support.parallel_requests import (
    SendRequest,
    refresh_with,
    send_in_parallel,
    send_until_served,
    whoami_with,
)
from tests.faults.support.running_system import RunningSystem
from tests.faults.support.shifted_tokens import shift_timestamps, unverified_claims
from tests.faults.support.steady_traffic import COOKIE, open_browser_session
from tests.system.support.running_stack import Client, Tokens

PARALLEL, ROUNDS = 50, 20
HOUR = 3600
"""Seconds."""
BURST = 7
"""Rotations in a row: one fewer than a session stores in grace (MAX_RECENT)."""


def test_fifty_parallel_refreshes_of_one_token_get_the_same_successor(
    system: RunningSystem, add_figure: AddFigure
) -> None:
    """Twenty rounds over two gateways and four auth workers: every response is 200."""
    client = system.client()
    tokens = client.login(client.register())
    seconds: list[float] = []

    async def refresh_in_rounds() -> str:
        newest = tokens.refresh
        for generation in range(1, ROUNDS + 1):
            responses = await send_in_parallel(system.urls, [refresh_with(newest)] * PARALLEL)
            assert Counter(response.status for response in responses) == {200: PARALLEL}
            assert {unverified_claims(response.document["access"])["generation"] for response in responses} == {
                generation
            }
            (newest,) = {response.document["refresh"] for response in responses}
            seconds.extend(response.seconds for response in responses)
            await asyncio.sleep(0.4)  # a session stores at most eight rotations per grace period (3 s here)
        return newest

    newest = asyncio.run(refresh_in_rounds())
    add_figure(
        f"{PARALLEL} x {ROUNDS} refreshes, 4 auth workers, 2 gateways: all 200, one successor; "
        f"{percentiles_in_ms(seconds)}"
    )
    assert client.try_refresh(newest).status_code == 200


def test_used_tokens_of_a_burst_get_the_newest_token_within_the_grace_period(
    system: RunningSystem, add_figure: AddFigure
) -> None:
    """After seven refreshes in a row, all seven used tokens are sent again at once."""
    client = system.client()
    chain = [client.login(client.register())]
    for _ in range(BURST):
        chain.append(client.refresh(chain[-1]))
    responses = asyncio.run(send_in_parallel(system.urls, [refresh_with(tokens.refresh) for tokens in chain[:-1]]))
    add_figure(f"used tokens of {BURST} generations: {dict(Counter(response.status for response in responses))}")
    assert [response.status for response in responses] == [200] * BURST
    assert {response.document["refresh"] for response in responses} == {chain[-1].refresh}
    assert client.whoami(chain[-1].access).status_code == 200


def test_a_thousand_clients_that_refresh_at_once_all_succeed(
    system: RunningSystem, thousand_sessions: list[Tokens], add_figure: AddFigure
) -> None:
    """Each refresh succeeds at once, or after the seconds of Retry-After."""
    histories = asyncio.run(
        send_all_until_served(system.urls, [refresh_with(tokens.refresh) for tokens in thousand_sessions])
    )
    thousand_sessions[:] = [
        Tokens(history[-1].document["access"], history[-1].document["refresh"]) for history in histories
    ]
    add_figure(describe(histories))


def test_the_gateway_refreshes_a_thousand_sessions_that_expire_in_the_same_second(
    system: RunningSystem, thousand_sessions: list[Tokens], add_figure: AddFigure
) -> None:
    """Every request is served, and every response has new tokens."""
    expired = [shift_timestamps(system, tokens.access, -HOUR) for tokens in thousand_sessions]
    requests = [
        whoami_with(access, X_Refresh_Token=tokens.refresh)
        for access, tokens in zip(expired, thousand_sessions, strict=True)
    ]
    histories = asyncio.run(send_all_until_served(system.urls, requests))
    thousand_sessions[:] = [
        Tokens(history[-1].headers["x-access-token"], history[-1].headers["x-refresh-token"]) for history in histories
    ]
    add_figure(describe(histories))
    again = asyncio.run(
        send_all_until_served(system.urls, [whoami_with(tokens.access) for tokens in thousand_sessions])
    )
    assert {history[0].status for history in again} == {200}


def test_parallel_requests_with_an_expired_cookie_cost_at_most_one_exchange_per_gateway_worker(
    system: RunningSystem, add_figure: AddFigure
) -> None:
    """Fifty requests come at once after the access token of their session cookie has expired: all get 200."""
    with (
        system.extra_auth_service("short-lived", ACCESS_TOKEN_LIFETIME="2", AUTH_WORKERS="2") as (auth, auth_url),
        system.extra_gateway("front", AUTH_URL=auth_url) as (front, url),
    ):
        client = Client(url)
        cookie = f"{COOKIE}={open_browser_session(client, client.register())}"
        requests: list[SendRequest] = [
            lambda connection: connection.request("GET", "/api/whoami", Cookie=cookie)
        ] * PARALLEL
        asyncio.run(send_in_parallel([url], requests))
        time.sleep(2.5)
        count_before = count_exchanges(auth.events("request"))
        responses = asyncio.run(send_in_parallel([url], requests))
        workers = len(front.workers)
        time.sleep(0.2)  # until the log lines of all exchanges have been read
        exchanges = count_exchanges(auth.events("request")) - count_before
    add_figure(
        f"{PARALLEL} requests at expiry, {workers} gateway workers: {exchanges} exchanges; "
        f"{percentiles_in_ms(durations(responses))}"
    )
    assert Counter(response.status for response in responses) == {200: PARALLEL}
    assert 1 <= exchanges <= workers


async def send_all_until_served(urls: Sequence[str], requests: Sequence[SendRequest]) -> list[list[TimedResponse]]:
    """Send all requests at once, and again after Retry-After. Return each one's responses; the last one is 200."""
    histories = await asyncio.gather(
        *(send_until_served(url, send) for url, send in zip(cycle(urls), requests, strict=False))
    )
    assert {history[-1].status for history in histories} == {200}, Counter(
        history[-1].status for history in histories
    )
    return histories


def describe(histories: Sequence[Sequence[TimedResponse]]) -> str:
    """Return the statuses, the Retry-After values and the durations as text."""
    responses = [response for history in histories for response in history]
    statuses = dict(Counter(response.status for response in responses))
    delays = dict(Counter(response.retry_after for response in responses if response.retry_after))
    return (
        f"{len(histories)} at once: {statuses}, Retry-After {delays}, at most {max(map(len, histories))} attempts; "
        + percentiles_in_ms(durations(responses))
    )


def durations(responses: Sequence[TimedResponse]) -> list[float]:
    """Return the durations in seconds."""
    return [response.seconds for response in responses]


def count_exchanges(log_lines: Sequence[dict[str, object]]) -> int:
    """Return the number of session exchanges among the log lines of requests."""
    return sum(line["path"] == "/internal/sessions/exchange" for line in log_lines)
