"""Every key and secret is replaced under load: not one request fails, and no session ends."""

import time

import pytest

from tests.rotation.conftest import SPREAD, Deployment
from tests.rotation.traffic import RotatingTraffic
from tests.system.support.running_stack import Client

ROTATION_SECONDS = 480
"""The refresh secret retires last: 60 seconds after its last use, and what a record of that holds for."""

SKEWED_GATEWAY = "tests.faults.support.skewed_gateway:create_app()"


def test_all_steps_for_every_key_and_secret_under_load(deployment: Deployment) -> None:
    """One command publishes, signs and retires all of them. Afterwards nothing of the old ones is left."""
    before = deployment.secrets()
    with RotatingTraffic(*deployment.urls) as traffic:
        traffic.run_for(2)
        output = deployment.run_keys("rotate", "--wait", *deployment.names, timeout=ROTATION_SECONDS)
        traffic.run_for(2 * SPREAD)
    print(output, dict(traffic.counts))  # noqa: T201 - shown by `make test-rotation`
    assert traffic.failures == []
    assert min(traffic.counts[f"{kind} 200"] for kind in ("app", "device", "browser", "ticket", "login")) > 100
    assert traffic.counts["form 303"] > 100
    after = deployment.secrets()
    assert before.keys() == after.keys()
    for name, text in before.items():
        old = text.strip().splitlines()[-2 if name == "signing.pem" else -1]
        assert old not in after[name], f"{name} was not replaced"
    assert deployment.events("secret_rejected") == []


def test_twice_in_a_row_with_a_killed_command_and_restarts_between_the_steps(deployment: Deployment) -> None:
    names = [name for name in deployment.names if name != "refresh"]  # whose retirement takes minutes
    with RotatingTraffic(deployment.system.url) as traffic:
        for _ in range(2):
            waiting = deployment.keys("rotate", "--wait", "peer", deployment.names[-1])
            assert waiting.stdout is not None
            assert "published" in waiting.stdout.readline()
            waiting.kill()
            waiting.communicate()
            deployment.run_keys("rotate", *names)
            restart_second_pair(deployment)
            deployment.run_keys("rotate", "--wait", "peer", deployment.names[-1])
        traffic.run_for(SPREAD)
    assert traffic.failures == []


def test_a_gateway_that_was_down_meanwhile_serves_with_what_was_issued_before(deployment: Deployment) -> None:
    """Its tokens, cookies and tickets come from the other gateway, and are of both keys."""
    names = ("signing", "peer", deployment.names[-1])
    deployment.run_keys("rotate", *names)
    with RotatingTraffic(deployment.system.url) as traffic:
        deployment.gateway.stop()
        for _ in range(2):
            traffic.run_for(SPREAD + 2)
            deployment.run_keys("rotate", *names)
        deployment.start_second_gateway()
        traffic.run_for(SPREAD)
    assert traffic.failures == []
    with RotatingTraffic(*deployment.urls) as traffic:
        traffic.run_for(10)
    assert traffic.failures == []


@pytest.mark.parametrize("skew", [-8, 8])
def test_a_gateway_whose_clock_is_eight_seconds_off(deployment: Deployment, skew: int) -> None:
    """A token that has expired for the auth service may be valid for this gateway. No rotation changes that."""
    names = ("signing", "peer", deployment.names[-1])
    system = deployment.system
    with (
        system.extra_gateway(f"skewed{skew}", SKEWED_GATEWAY, CLOCK_SKEW=str(skew), ACCESS_TOKEN_LEEWAY="10") as (
            _,
            url,
        ),
        RotatingTraffic(system.url, url) as traffic,
    ):
        for _ in range(3):
            deployment.run_keys("rotate", *names)
            traffic.run_for(SPREAD + 2)
    expired = ("Token is expired", "GET /auth/account/ 303")
    assert [failure for failure in traffic.failures if not any(text in failure for text in expired)] == []


def test_compromised_shared_secrets_are_replaced_at_once_and_no_good_token_looks_bad(deployment: Deployment) -> None:
    """The gateway and the services may differ for a second. That is our fault: 502 or 503, and never 401.

    Only a ticket of the old secret is refused, as it has to be.
    """
    with RotatingTraffic(*deployment.urls) as traffic:
        deployment.run_keys("rotate", "--compromised", "--yes", "peer", deployment.names[-1])
        traffic.run_for(2 * SPREAD)
        seen = len(traffic.failures)
        traffic.run_for(2 * SPREAD)
    assert [failure for failure in traffic.failures if " 401 " in failure and "ticket_invalid" not in failure] == []
    assert traffic.failures[seen:] == []


def test_stolen_tokens_of_compromised_keys_are_refused_by_every_process_at_once(deployment: Deployment) -> None:
    client = deployment.system.client()
    account = client.register()
    stolen = client.login(account)
    deployment.run_keys("rotate", "--compromised", "--yes", "signing", "refresh")
    time.sleep(SPREAD)  # a gateway fetches the public keys every JWKS_MAX_AGE, here once a second
    for url in deployment.urls:
        victim = Client(url)
        assert victim.whoami(stolen.access).status_code == 401
        assert victim.send("POST", "/auth/jwt/refresh/", json={"refresh": stolen.refresh}).status_code == 401
        assert victim.whoami(victim.login(account).access).status_code == 200


def restart_second_pair(deployment: Deployment) -> None:
    """Restart the auth service and the gateway that have no traffic."""
    for process in (deployment.gateway, deployment.auth):
        process.stop()
    deployment.auth.start()
    deployment.start_second_gateway()
