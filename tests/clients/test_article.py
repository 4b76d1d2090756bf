"""The article's client, as its test double behaves: it gets what it needs of a server; its defects are recorded."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stack.plan import ROOT
from tests.clients.backends import Backend, sallyport
from tests.clients.scenarios import (
    Outcome,
    Stage,
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

APP = "_cap_TemplateGenerated"
"""How its keys in web storage begin."""

PATIENCE = 4.0
"""Seconds after which a request of this client counts as hung: several do."""

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """A running stack with the route for the published code, as the documentation shows it."""
    (route,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/clients/article.md").read_text(), re.DOTALL)
    routes = tmp_path_factory.mktemp("routes") / "routes.toml"
    routes.write_text((ROOT / "gateway/routes.toml").read_text() + "\n" + route)
    with sallyport(GATEWAY_ROUTES=str(routes)) as running:
        yield running


def test_the_published_code_registers_by_a_route_with_another_prefix(backend: Backend, folder: Path) -> None:
    """It posts to /api/user/, with a stale token if it has one."""
    with stage("article", backend, folder) as play:
        play.log_in_and_expire()
        created = play.client.call("register", path="/api/user/", **play.credentials | {"email": f"c{play.email}"})
        assert created["status"] == 201
        assert play.client.request()["body"]["email"] == f"c{play.email}"
        assert play.client.call("register", path="/api/user/", **play.credentials)["status"] == 400


def test_it_registers_logs_in_and_survives_a_wrong_password(backend: Backend, folder: Path) -> None:
    """The tokens of the registration are in memory, so that a wrong password makes it refresh first."""
    with stage("article", backend, folder) as play:
        assert play.client.call("screen")["route"] == "/home"
        assert first_steps(play).statuses == [401, 200, 200]
        assert play.client.call("guards") == {"auth": True, "route": "/home"}


def test_a_stale_token_on_log_in_and_registration_is_ignored(backend: Backend, folder: Path) -> None:
    with stage("article", backend, folder, PATIENCE) as play:
        play.log_in_and_expire()
        play.end_session()
        assert play.client.call("logIn", **play.credentials)["status"] == 200
        created = play.client.call("register", email=f"b{play.email}", password=play.credentials["password"])
        assert created["status"] == 201
        sent = {each.path: each.fields.get("authorization", "") for each in play.proxy.exchanges}
        assert all(sent[path].startswith("Bearer ") for path in ("/auth/jwt/create/", "/auth/users/"))


def test_a_taken_address_is_a_400(backend: Backend, folder: Path) -> None:
    with stage("article", backend, folder) as play:
        assert play.client.call("register", **play.credentials)["status"] == 400
        assert play.client.call("screen")["alert"] == "An account already exists with this email"


def test_five_parallel_requests_at_expiry_and_two_tabs_all_succeed(backend: Backend, folder: Path) -> None:
    with stage("article", backend, folder) as play:
        assert five_at_expiry(play).statuses == [200] * 5
        assert two_tabs(play).statuses == [200] * 3


def test_a_403_logs_its_user_out(backend: Backend, folder: Path) -> None:
    """Its defect: it treats a missing permission as the end of the session."""
    with stage("article", backend, folder) as play:
        outcome = forbidden(play)
        assert (outcome.statuses, outcome.signed_in) == ([403], False)
        assert play.client.call("screen")["route"] == "/login"


@pytest.mark.parametrize("scenario", [lost_refresh, unavailable_refresh])
def test_any_failure_of_a_refresh_logs_its_user_out(
    scenario: Callable[[Stage], Outcome], backend: Backend, folder: Path
) -> None:
    """Its defect. The session lives on: opening the page again would be enough, had it kept the access token."""
    with stage("article", backend, folder, PATIENCE) as play:
        outcome = scenario(play)
        assert not outcome.signed_in
        assert outcome.statuses[1:] == ["hung"]  # it never refreshes again until the page is loaded again
        assert play.client.call("logIn", **play.credentials)["status"] == 200


def test_four_of_five_requests_hang_after_a_refused_refresh(backend: Backend, folder: Path) -> None:
    """Its defect: nothing tells the requests that wait for the refresh that it failed."""
    with stage("article", backend, folder, PATIENCE) as play:
        outcome = ended_session(play)
        assert sorted(outcome.statuses, key=str) == [401, "hung", "hung", "hung", "hung"]
        assert (outcome.refreshes, outcome.signed_in) == ([401], False)


def test_its_log_out_leaves_the_session_alive(backend: Backend, folder: Path) -> None:
    """Its defect: it sends nothing, never finishes, and keeps the refresh token, which therefore still works."""
    with stage("article", backend, folder, PATIENCE) as play:
        status, _, refresh = log_out(play).statuses
        assert (status, refresh) == ("hung", 200)
        kept = [f"{APP}-refresh", f"{APP}_currentUser"]
        assert play.client.call("screen")["stored"] == kept
        play.wait_for_expiry()
        assert play.client.request()["status"] == 200
        assert play.client.call("screen")["stored"] == [f"{APP}-access", *kept]  # the user is logged in again
