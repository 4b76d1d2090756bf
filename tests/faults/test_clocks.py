"""Different clocks: ten seconds are accepted, sixty are refused with a log event that gives the reason."""

import time

import pytest

from contract import identity
from contract.identity import Identity
from contract.keys import assertion_signer
from tests.faults.eventually import eventually
from tests.faults.figures import Say
from tests.faults.forged import at_another_time
from tests.faults.running_system import RunningSystem
from tests.system.raw_http import send_raw
from tests.system.running_stack import Client

FUTURE = "Token was issued in the future"
SKEWED = "tests.faults.skewed_gateway:create_app()"


def test_an_access_token_from_ten_seconds_ahead_is_accepted(system: RunningSystem) -> None:
    client = system.client()
    tokens = client.login(client.register())
    assert client.whoami(at_another_time(system, tokens.access, 9)).status_code == 200


def test_an_access_token_from_sixty_seconds_ahead_is_refused_and_logged(system: RunningSystem) -> None:
    client = system.client()
    tokens = client.login(client.register())
    answer = client.whoami(at_another_time(system, tokens.access, 60))
    assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")
    assert system.gateway.wait_to_say("token_rejected")["reason"] == FUTURE


@pytest.mark.parametrize(("ahead", "status"), [(9, 200), (60, 401)])
def test_an_assertion_from_ahead(system: RunningSystem, ahead: int, status: int) -> None:
    """A direct call of the service, as from a gateway with another clock."""
    signer = assertion_signer((system.data_dir / "notes.secret").read_text().strip())
    who = Identity("0b8f1a52-94c4-4f3c-a4a8-5d5b7c7d3b11", "s" * 32, "ann@example.com")
    assertion = identity.sign(who, signer=signer, audience="notes", now=time.time() + ahead)
    where = system.plan.settings.run_dir / "resource.sock"
    assert send_raw(where, "GET /api/whoami HTTP/1.1", f"X-Identity: {assertion}").status == status
    if status == 401:
        assert system.resource.wait_to_say("identity_rejected")["reason"] == FUTURE


@pytest.mark.parametrize("skew", [-9, 9])
def test_a_gateway_that_is_ten_seconds_off_serves_everybody(system: RunningSystem, skew: int) -> None:
    """Bearer tokens, refreshes and usage reports work."""
    with system.another_gateway("skewed", SKEWED, CLOCK_SKEW=str(skew)) as (gateway, url):
        client = Client(url)
        tokens = client.login(client.register())
        assert client.whoami(tokens.access).status_code == 200
        assert client.whoami(client.refresh(tokens).access).status_code == 200
        time.sleep(1.5)  # a report to the auth service is due every second
        assert not gateway.events("usage_report_failed")


@pytest.mark.parametrize("skew", [-60, 60])
def test_a_gateway_that_is_a_minute_off_logs_it(system: RunningSystem, skew: int, say: Say) -> None:
    """A gateway that is behind refuses tokens as issued in the future; services refuse assertions of one that is
    ahead.
    """
    refusals = len(system.resource.events("identity_rejected"))
    with system.another_gateway("skewed", SKEWED, CLOCK_SKEW=str(skew)) as (gateway, url):
        client = Client(url)
        tokens = client.login(client.register())
        answer = client.whoami(tokens.access)
        if skew < 0:
            assert gateway.wait_to_say("token_rejected")["reason"] == FUTURE
        else:
            eventually(lambda: len(system.resource.events("identity_rejected")) > refusals)
        say(f"{answer.status_code} {answer.json()['code']}")
        assert answer.status_code == (401 if skew < 0 else 502)
    assert system.client().whoami(tokens.access).status_code == 200
