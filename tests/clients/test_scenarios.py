"""Clients that others wrote keep their users logged in through expiry, lost responses, 503s and several tabs."""

from pathlib import Path

import pytest

from tests.clients.backends import Backend
from tests.clients.scenarios import (
    ended_session,
    first_steps,
    five_at_expiry,
    forbidden,
    log_out,
    lost_refresh,
    stage,
    two_tabs,
    unavailable_refresh,
)

CLIENTS = ("axios-auth-refresh", "axios-jwt", "ky", "ofetch", "rtk-query", "next-auth", "nuxt-auth")
THROWS_WITHOUT_STATUS = ("axios-jwt",)
"""Clients that hide the status of a refused refresh from the caller."""

pytestmark = [pytest.mark.timeout(500), pytest.mark.parametrize("name", CLIENTS)]


def test_a_wrong_password_is_a_401_and_the_right_one_logs_in(name: str, backend: Backend, folder: Path) -> None:
    with stage(name, backend, folder) as play:
        outcome = first_steps(play)
        assert (outcome.statuses, outcome.signed_in) == ([401, 200, 200], True)
        assert play.client.request()["body"]["email"] == play.email


def test_a_403_leaves_the_user_logged_in(name: str, backend: Backend, folder: Path) -> None:
    if name == "nuxt-auth":
        pytest.skip("the module requests only its own endpoints")
    with stage(name, backend, folder) as play:
        outcome = forbidden(play)
    assert (outcome.statuses, outcome.signed_in, outcome.after) == ([403], True, 200)


def test_five_parallel_requests_at_expiry_all_succeed(name: str, backend: Backend, folder: Path) -> None:
    with stage(name, backend, folder) as play:
        outcome = five_at_expiry(play)
    assert (outcome.statuses, outcome.signed_in, outcome.after) == ([200] * 5, True, 200)
    assert set(outcome.refreshes) == {200}


def test_a_lost_response_of_a_refresh_logs_nobody_out(name: str, backend: Backend, folder: Path) -> None:
    with stage(name, backend, folder) as play:
        outcome = lost_refresh(play)
    assert (outcome.statuses[-1], outcome.refreshes, outcome.signed_in, outcome.after) == (200, [0, 200], True, 200)


def test_a_session_that_was_ended_elsewhere_ends_the_client_without_a_loop(
    name: str, backend: Backend, folder: Path
) -> None:
    with stage(name, backend, folder) as play:
        outcome = ended_session(play)
        refusals = [each for each in play.proxy.exchanges if each.path == "/auth/jwt/refresh/"]
    assert outcome.statuses == [0 if name in THROWS_WITHOUT_STATUS else 401] * 5
    assert not outcome.signed_in
    assert 1 <= len(outcome.refreshes) <= 5  # a page or request each at most: nothing is repeated
    for refusal in refusals:
        assert (refusal.status, refusal.json()["code"]) == (401, "token_not_valid")
        assert refusal.response_fields["www-authenticate"].startswith("Bearer")


def test_a_log_out_ends_both_tokens_at_the_server(name: str, backend: Backend, folder: Path) -> None:
    with stage(name, backend, folder) as play:
        outcome = log_out(play)
    assert (outcome.statuses, outcome.signed_in) == ([200, 401, 401], False)


def test_a_503_at_refresh_logs_nobody_out(name: str, backend: Backend, folder: Path) -> None:
    with stage(name, backend, folder) as play:
        outcome = unavailable_refresh(play)
    assert (outcome.statuses[-1], outcome.refreshes, outcome.signed_in, outcome.after) == (200, [503, 200], True, 200)


def test_two_tabs_that_refresh_at_once_both_go_on(name: str, backend: Backend, folder: Path) -> None:
    with stage(name, backend, folder) as play:
        outcome = two_tabs(play)
    assert (outcome.statuses, outcome.signed_in, outcome.after) == ([200, 200, 200], True, 200)
    assert set(outcome.refreshes) == {200}
