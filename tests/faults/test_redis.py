"""Redis is down, does not respond, or is emptied: clients are served, and revoked tokens stay revoked."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from tests.faults.conftest import GRACE
from tests.faults.support.figures import AddFigure
from tests.faults.support.polling import wait_until
from tests.faults.support.redis_outages import RedisFault, hung, killed
from tests.faults.support.running_system import RunningSystem
from tests.faults.support.steady_traffic import SteadyTraffic
from tests.system.support.running_stack import Client, Tokens

FEED_AGE = "sallyport_gateway_revocation_feed_age_seconds"
MAX_SECONDS = 2.0
"""At most three commands of a request time out, after 100 ms each; then the circuit breaker opens. The rest is for
slow machines."""


@pytest.mark.parametrize("outage", [killed, hung])
def test_without_redis_clients_are_served_and_a_logout_is_published_later(
    system: RunningSystem, traffic: SteadyTraffic, outage: RedisFault, add_figure: AddFigure
) -> None:
    """Every response is 200; a metric and a log event report the outage. Log-outs take effect when Redis is back."""
    client = system.client()
    tokens = client.login(client.register())
    before = len(system.gateway.events("revocation_feed_unavailable"))
    began = time.monotonic()
    with outage(system):
        traffic.run_for(4)
        assert log_out(client, tokens) == 200
        assert client.try_refresh(tokens.refresh).status_code == 401
        assert client.whoami(tokens.access).status_code == 200
        system.auth.wait_for_event("redis_unavailable")
        system.gateway.wait_for_event("revocation_feed_unavailable", before + 1)
        wait_until(lambda: system.metrics()[FEED_AGE] > 3)
    restored_at = time.monotonic()
    for number in range(len(system.urls)):
        wait_until(partial(is_refused, system.client(number), tokens.access))
    publish_seconds = time.monotonic() - restored_at
    wait_until(lambda: system.metrics()[FEED_AGE] < 3)
    report = traffic.since(began)
    add_figure(f"{report}; the logout was published {publish_seconds:.1f} s after")
    assert report.statuses() == {200}, report.failures()
    assert report.slowest() < MAX_SECONDS


@contextmanager
def flushed(system: RunningSystem) -> Iterator[None]:
    """Delete all keys (FLUSHALL)."""
    with system.redis_client() as redis:
        redis.flushall()
    yield


@contextmanager
def restarted_empty(system: RunningSystem) -> Iterator[None]:
    """Kill Redis, delete its files, and start it again."""
    system.redis.kill()
    system.delete_redis_files()
    system.start_redis()
    yield


@pytest.mark.parametrize("loss", [flushed, restarted_empty])
def test_used_and_revoked_tokens_stay_invalid_after_redis_is_emptied(
    system: RunningSystem, traffic: SteadyTraffic, loss: RedisFault, add_figure: AddFigure
) -> None:
    """Tokens that were used or revoked before the loss are refused, also by a gateway that starts after it."""
    client = system.client()
    account = client.register()
    logged_out = client.login(account)
    assert log_out(client, logged_out) == 200
    chain = [client.login(account)]
    for _ in range(3):
        chain.append(client.refresh(chain[-1]))
    wait_until(lambda: client.whoami(logged_out.access).status_code == 401)
    time.sleep(GRACE)
    began = time.monotonic()
    with loss(system):
        assert client.try_refresh(logged_out.refresh).status_code == 401
        for number in range(len(system.urls)):
            assert system.client(number).whoami(logged_out.access).status_code == 401
        with system.extra_gateway("fresh") as (_, url):
            wait_until(lambda: Client(url).whoami(logged_out.access).status_code == 401)
        assert client.try_refresh(chain[0].refresh).status_code == 401
        # The replay ends the session, as it does when Redis has its data.
        assert client.try_refresh(chain[-1].refresh).status_code == 401
        wait_until(lambda: client.whoami(chain[-1].access).status_code == 401)
        republished = system.auth.wait_for_event("revocations_republished")
    report = traffic.since(began)
    add_figure(f"{report}; republished: {republished['sessions']} sessions")
    assert report.statuses() == {200}, report.failures()


def test_with_revocation_fail_closed_requests_get_503_while_the_feed_is_unavailable(system: RunningSystem) -> None:
    """From five seconds without the feed until its return, requests get 503 with Retry-After, and never 401.

    A session that was logged out during the outage is never admitted: it gets 503 until its log-out is published.
    """
    client = system.client()
    account = client.register()
    tokens, logged_out = client.login(account), client.login(account)
    with system.extra_gateway("closed", REVOCATION_FAIL="closed") as (_, url):
        strict_client = Client(url)
        assert strict_client.whoami(tokens.access).status_code == 200
        assert strict_client.whoami(logged_out.access).status_code == 200
        with killed(system):
            assert log_out(client, logged_out) == 200
            statuses = set()
            deadline = time.monotonic() + 8
            while time.monotonic() < deadline:
                response = strict_client.whoami(tokens.access)
                statuses.add(response.status_code)
                time.sleep(0.05)
            assert (response.status_code, response.json()["code"]) == (503, "revocations_unavailable")
            assert response.headers["Retry-After"] in ("1", "2")
            assert client.whoami(tokens.access).status_code == 200
        assert statuses == {200, 503}
        afterwards = [strict_client.whoami(logged_out.access).status_code]
        while afterwards[-1] != 401:
            afterwards.append(strict_client.whoami(logged_out.access).status_code)
        assert set(afterwards) <= {503, 401}
        wait_until(lambda: strict_client.whoami(tokens.access).status_code == 200)


def is_refused(client: Client, access: str) -> bool:
    """Return whether the gateway refuses the token with 401."""
    return client.whoami(access).status_code == 401


def log_out(client: Client, tokens: Tokens) -> int:
    """Revoke the refresh token, and return the status."""
    return client.send("POST", "/auth/jwt/blacklist/", json={"refresh": tokens.refresh}).status_code
