"""Many honest clients at once: nobody is logged out, and every refusal has a Retry-After."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from itertools import cycle

from tests.faults.connection import Answer
from tests.faults.crowd import Ask, ask_at_once, patiently, refresh_with, whoami_with
from tests.faults.figures import Say, in_ms
from tests.faults.forged import at_another_time, claims_of
from tests.faults.running_system import RunningSystem
from tests.faults.steady_traffic import COOKIE, open_browser_session
from tests.system.running_stack import Client, Tokens

PARALLEL, ROUNDS = 50, 20
AN_HOUR = 3600
BURST = 7


def test_fifty_parallel_refreshes_have_one_successor_twenty_times(system: RunningSystem, say: Say) -> None:
    """Over two gateways and four auth workers: all are 200, and one chain continues."""
    client = system.client()
    tokens = client.login(client.register())
    seconds: list[float] = []

    async def play() -> str:
        newest = tokens.refresh
        for generation in range(1, ROUNDS + 1):
            answers = await ask_at_once(system.urls, [refresh_with(newest)] * PARALLEL)
            assert Counter(answer.status for answer in answers) == {200: PARALLEL}
            assert {claims_of(answer.document["access"])["generation"] for answer in answers} == {generation}
            (newest,) = {answer.document["refresh"] for answer in answers}
            seconds.extend(answer.seconds for answer in answers)
            await asyncio.sleep(0.4)  # at most seven rotations a grace time are counted apart
        return newest

    newest = asyncio.run(play())
    say(f"{PARALLEL} x {ROUNDS} refreshes, 4 auth workers, 2 gateways: all 200, one successor; {in_ms(seconds)}")
    assert client.try_refresh(newest).status_code == 200


def test_stragglers_of_every_generation_in_a_burst_are_served(system: RunningSystem, say: Say) -> None:
    """Seven refreshes in a row; then every one of these tokens comes once more, at once, within the grace time."""
    client = system.client()
    chain = [client.login(client.register())]
    for _ in range(BURST):
        chain.append(client.refresh(chain[-1]))
    answers = asyncio.run(ask_at_once(system.urls, [refresh_with(tokens.refresh) for tokens in chain[:-1]]))
    say(f"stragglers of {BURST} generations: {dict(Counter(answer.status for answer in answers))}")
    assert [answer.status for answer in answers] == [200] * BURST
    assert {answer.document["refresh"] for answer in answers} == {chain[-1].refresh}
    assert client.whoami(chain[-1].access).status_code == 200


def test_a_thousand_clients_refresh_in_one_second(system: RunningSystem, thousand: list[Tokens], say: Say) -> None:
    """Each succeeds, or receives a Retry-After and then succeeds."""
    conversations = asyncio.run(together(system.urls, [refresh_with(tokens.refresh) for tokens in thousand]))
    thousand[:] = [
        Tokens(responses[-1].document["access"], responses[-1].document["refresh"]) for responses in conversations
    ]
    say(describe(conversations))


def test_a_thousand_sessions_that_expire_in_the_same_second_go_on(
    system: RunningSystem, thousand: list[Tokens], say: Say
) -> None:
    """The gateway refreshes for them: each request is answered, and each client receives its new tokens."""
    expired = [at_another_time(system, tokens.access, -AN_HOUR) for tokens in thousand]
    asks = [
        whoami_with(access, X_Refresh_Token=tokens.refresh) for access, tokens in zip(expired, thousand, strict=True)
    ]
    conversations = asyncio.run(together(system.urls, asks))
    thousand[:] = [
        Tokens(responses[-1].headers["x-access-token"], responses[-1].headers["x-refresh-token"])
        for responses in conversations
    ]
    say(describe(conversations))
    again = asyncio.run(together(system.urls, [whoami_with(tokens.access) for tokens in thousand]))
    assert {responses[0].status for responses in again} == {200}


def test_fifty_tabs_at_expiry_cost_one_exchange_a_gateway_worker(system: RunningSystem, say: Say) -> None:
    """With a session cookie and an expired access token, fifty requests at once are all 200."""
    with (
        system.another_auth("brief", ACCESS_TOKEN_LIFETIME="2", AUTH_WORKERS="2") as (auth, auth_url),
        system.another_gateway("front", AUTH_URL=auth_url) as (front, url),
    ):
        client = Client(url)
        cookie = f"{COOKIE}={open_browser_session(client, client.register())}"
        asks: list[Ask] = [lambda line: line.ask("GET", "/api/whoami", Cookie=cookie)] * PARALLEL
        asyncio.run(ask_at_once([url], asks))
        time.sleep(2.5)
        before = exchanges(auth.events("request"))
        answers = asyncio.run(ask_at_once([url], asks))
        workers = len(front.workers)
        time.sleep(0.2)
        made = exchanges(auth.events("request")) - before
    say(f"{PARALLEL} requests at expiry, {workers} gateway workers: {made} exchanges; {in_ms(times(answers))}")
    assert Counter(answer.status for answer in answers) == {200: PARALLEL}
    assert 1 <= made <= workers


async def together(urls: Sequence[str], asks: Sequence[Ask]) -> list[list[Answer]]:
    """Send all requests within a second, and each again after Retry-After. Return each client's responses."""
    conversations = await asyncio.gather(*(patiently(url, ask) for url, ask in zip(cycle(urls), asks, strict=False)))
    assert {responses[-1].status for responses in conversations} == {200}, Counter(
        responses[-1].status for responses in conversations
    )
    return conversations


def describe(conversations: Sequence[Sequence[Answer]]) -> str:
    """Return the statuses, the number of retries and the durations as text."""
    answers = [answer for responses in conversations for answer in responses]
    statuses = dict(Counter(answer.status for answer in answers))
    waits = dict(Counter(answer.retry_after for answer in answers if answer.retry_after))
    return (
        f"{len(conversations)}: {statuses}, Retry-After {waits}, at most {max(map(len, conversations))} attempts; "
        + in_ms(times(answers))
    )


def times(answers: Sequence[Answer]) -> list[float]:
    """Return the durations in seconds."""
    return [answer.seconds for answer in answers]


def exchanges(requests: Sequence[dict[str, object]]) -> int:
    """Return how many of these access-log lines are exchanges of a handle."""
    return sum(line["path"] == "/internal/sessions/exchange" for line in requests)
