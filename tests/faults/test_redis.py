"""Redis down, hung or emptied: honest clients notice nothing, and no ended session works again."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

import pytest

from tests.faults.conftest import GRACE
from tests.faults.eventually import eventually
from tests.faults.figures import Say
from tests.faults.running_system import RunningSystem
from tests.faults.steady_traffic import SteadyTraffic
from tests.system.running_stack import Client, Tokens

FEED_AGE = "sallyport_gateway_revocation_feed_age_seconds"
Fault = Callable[[RunningSystem], AbstractContextManager[None]]
# What one breaker lets through: three commands of 100 ms in each of two stages, and a slow machine.
PATIENCE = 2.0


@contextmanager
def killed(system: RunningSystem) -> Iterator[None]:
    """Redis is stopped; afterwards it is back with its file."""
    system.redis.kill()
    yield
    system.start_redis()


@contextmanager
def hung(system: RunningSystem) -> Iterator[None]:
    """Redis accepts connections and does not respond; afterwards it continues."""
    system.redis.freeze()
    yield
    system.redis.thaw()


@pytest.mark.parametrize("outage", [killed, hung])
def test_without_redis_everybody_goes_on_and_a_logout_is_published_later(
    system: RunningSystem, traffic: SteadyTraffic, outage: Fault, say: Say
) -> None:
    """All responses are 200; the metric and a log event show it; a log-out takes effect when Redis is back."""
    client = system.client()
    tokens = client.login(client.register())
    silences = len(system.gateway.events("revocation_feed_unavailable"))
    began = time.monotonic()
    with outage(system):
        traffic.run_for(4)
        assert log_out(client, tokens) == 200
        assert client.try_refresh(tokens.refresh).status_code == 401
        assert client.whoami(tokens.access).status_code == 200
        system.auth.wait_to_say("redis_unavailable")
        system.gateway.wait_to_say("revocation_feed_unavailable", silences + 1)
        eventually(lambda: system.metrics()[FEED_AGE] > 3)
    back = time.monotonic()
    for number in range(len(system.urls)):
        eventually(partial(is_refused, system.client(number), tokens.access))
    published = time.monotonic() - back
    eventually(lambda: system.metrics()[FEED_AGE] < 3)
    tally = traffic.since(began)
    say(f"{tally}; the logout was published {published:.1f} s after")
    assert tally.statuses() == {200}, tally.wrong()
    assert tally.slowest() < PATIENCE


@contextmanager
def flushed(system: RunningSystem) -> Iterator[None]:
    """Empty Redis with FLUSHALL."""
    with system.redis_client() as redis:
        redis.flushall()
    yield


@contextmanager
def restarted_empty(system: RunningSystem) -> Iterator[None]:
    """Redis dies and an empty one replaces it."""
    system.redis.kill()
    system.empty_redis_folder()
    system.start_redis()
    yield


@pytest.mark.parametrize("loss", [flushed, restarted_empty])
def test_an_emptied_redis_brings_nothing_back_to_life(
    system: RunningSystem, traffic: SteadyTraffic, loss: Fault, say: Say
) -> None:
    """R18: used and revoked tokens stay refused, also by a gateway that starts then."""
    client = system.client()
    account = client.register()
    gone = client.login(account)
    assert log_out(client, gone) == 200
    chain = [client.login(account)]
    for _ in range(3):
        chain.append(client.refresh(chain[-1]))
    eventually(lambda: client.whoami(gone.access).status_code == 401)
    time.sleep(GRACE)
    began = time.monotonic()
    with loss(system):
        assert client.try_refresh(gone.refresh).status_code == 401
        for number in range(len(system.urls)):
            assert system.client(number).whoami(gone.access).status_code == 401
        with system.another_gateway("fresh") as (_, url):
            eventually(lambda: Client(url).whoami(gone.access).status_code == 401)
        assert client.try_refresh(chain[0].refresh).status_code == 401
        # The replay has ended its session, as it does with a full Redis.
        assert client.try_refresh(chain[-1].refresh).status_code == 401
        eventually(lambda: client.whoami(chain[-1].access).status_code == 401)
        republished = system.auth.wait_to_say("revocations_republished")
    tally = traffic.since(began)
    say(f"{tally}; published again: {republished['sessions']} sessions")
    assert tally.statuses() == {200}, tally.wrong()


def test_revocation_fail_closed_answers_503_while_revocations_cannot_be_learned(system: RunningSystem) -> None:
    """503 with Retry-After, never 401, once the feed is unavailable for five seconds; 200 again when it is back.

    A client that logged out meanwhile is never admitted, however soon after: 503 lasts until all revocations are
    published.
    """
    client = system.client()
    account = client.register()
    tokens, gone = client.login(account), client.login(account)
    with system.another_gateway("closed", REVOCATION_FAIL="closed") as (_, url):
        careful = Client(url)
        assert careful.whoami(tokens.access).status_code == 200
        assert careful.whoami(gone.access).status_code == 200
        with killed(system):
            assert log_out(client, gone) == 200
            statuses = set()
            deadline = time.monotonic() + 8
            while time.monotonic() < deadline:
                answer = careful.whoami(tokens.access)
                statuses.add(answer.status_code)
                time.sleep(0.05)
            assert (answer.status_code, answer.json()["code"]) == (503, "revocations_unavailable")
            assert answer.headers["Retry-After"] in ("1", "2")
            assert client.whoami(tokens.access).status_code == 200
        assert statuses == {200, 503}
        afterwards = [careful.whoami(gone.access).status_code]
        while afterwards[-1] != 401:
            afterwards.append(careful.whoami(gone.access).status_code)
        assert set(afterwards) <= {503, 401}
        eventually(lambda: careful.whoami(tokens.access).status_code == 200)


def is_refused(client: Client, access: str) -> bool:
    """Return whether the gateway refuses this token as revoked."""
    return client.whoami(access).status_code == 401


def log_out(client: Client, tokens: Tokens) -> int:
    """Revoke the refresh token; return the status."""
    return client.send("POST", "/auth/jwt/blacklist/", json={"refresh": tokens.refresh}).status_code
