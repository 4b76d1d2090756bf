"""Clock skew: ten seconds are tolerated; with sixty, tokens are refused and the log names the reason."""

import time

import pytest

from contract import identity
from contract.keys import assertion_signer
from sallyport_service import Identity
from tests.faults.support.figures import AddFigure
from tests.faults.support.polling import wait_until
from tests.faults.support.running_system import RunningSystem
from tests.faults.support.shifted_tokens import shift_timestamps
from tests.system.support.raw_http import send_raw
from tests.system.support.running_stack import Client

FUTURE = "Token was issued in the future"
SKEWED = "tests.faults.support.skewed_gateway:create_app()"


def test_an_access_token_issued_nine_seconds_in_the_future_is_accepted(system: RunningSystem) -> None:
    client = system.client()
    tokens = client.login(client.register())
    assert client.whoami(shift_timestamps(system, tokens.access, 9)).status_code == 200


def test_an_access_token_issued_sixty_seconds_in_the_future_is_refused_and_logged(system: RunningSystem) -> None:
    client = system.client()
    tokens = client.login(client.register())
    response = client.whoami(shift_timestamps(system, tokens.access, 60))
    assert (response.status_code, response.json()["code"]) == (401, "token_invalid")
    assert system.gateway.wait_for_event("token_rejected")["reason"] == FUTURE


@pytest.mark.parametrize(("seconds_ahead", "status"), [(9, 200), (60, 401)])
def test_an_assertion_issued_in_the_future_is_accepted_up_to_ten_seconds(
    system: RunningSystem, seconds_ahead: int, status: int
) -> None:
    """The assertion is sent to the service directly, as a gateway with a wrong clock would."""
    signer = assertion_signer((system.data_dir / "notes.secret").read_text().strip())
    user = Identity("0b8f1a52-94c4-4f3c-a4a8-5d5b7c7d3b11", "s" * 32, "ann@example.com")
    assertion = identity.sign(user, signer=signer, audience="notes", now=time.time() + seconds_ahead)
    socket = system.plan.settings.run_dir / "resource.sock"
    assert send_raw(socket, "GET /api/whoami HTTP/1.1", f"X-Identity: {assertion}").status == status
    if status == 401:
        assert system.resource.wait_for_event("identity_rejected")["reason"] == FUTURE


@pytest.mark.parametrize("skew", [-9, 9])
def test_a_gateway_with_nine_seconds_of_clock_skew_works(system: RunningSystem, skew: int) -> None:
    """It accepts access tokens, also refreshed ones, and its usage reports to the auth service succeed."""
    with system.extra_gateway("skewed", SKEWED, CLOCK_SKEW=str(skew)) as (gateway, url):
        client = Client(url)
        tokens = client.login(client.register())
        assert client.whoami(tokens.access).status_code == 200
        assert client.whoami(client.refresh(tokens).access).status_code == 200
        time.sleep(1.5)  # usage reports are sent every second
        assert not gateway.events("usage_report_failed")


@pytest.mark.parametrize("skew", [-60, 60])
def test_a_gateway_with_a_minute_of_clock_skew_is_refused_and_logged(
    system: RunningSystem, skew: int, add_figure: AddFigure
) -> None:
    """A gateway whose clock is behind refuses the tokens. If it is ahead, the services refuse its assertions."""
    refusals = len(system.resource.events("identity_rejected"))
    with system.extra_gateway("skewed", SKEWED, CLOCK_SKEW=str(skew)) as (gateway, url):
        client = Client(url)
        tokens = client.login(client.register())
        response = client.whoami(tokens.access)
        if skew < 0:
            assert gateway.wait_for_event("token_rejected")["reason"] == FUTURE
        else:
            wait_until(lambda: len(system.resource.events("identity_rejected")) > refusals)
        add_figure(f"{response.status_code} {response.json()['code']}")
        assert response.status_code == (401 if skew < 0 else 502)
    assert system.client().whoami(tokens.access).status_code == 200
