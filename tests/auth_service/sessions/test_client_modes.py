"""Only tokens that a client has presented count as seen, whether it, the gateway or a browser cookie holds them."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.auth_service.gateway_in_front import GatewayInFront
from tests.auth_service.world import PASSWORD, Operator, Person
from tests.clocks import MovableClock

AFTER_EXPIRY = 320.0
"""Seconds: more than the lifetime of an access token and the leeway of the gateway (300 + 10)."""

AFTER_GRACE = 12.0
"""Seconds: more than the grace time (10)."""


@pytest.fixture
def gateway(client: FlaskClient, clock: MovableClock, valkey: str, tmp_path: Path) -> GatewayInFront:
    return GatewayInFront(client, clock, valkey, tmp_path)


@pytest.mark.parametrize("path", ["/api/x", "/auth/users/me/"])
def test_a_client_that_repeats_a_request_after_a_lost_response_stays_logged_in(
    ann: Person, gateway: GatewayInFront, operator: Operator, clock: MovableClock, path: str
) -> None:
    """The gateway fetches a successor for each of three requests, and no response reaches the client."""
    clock.move(AFTER_EXPIRY)
    for _ in range(3):
        outcome = gateway.get(path, access=ann.access, refresh=ann.refresh)
        assert (outcome.status, outcome.fresh is not None) == (200, True)
        gateway.send_usage_reports()
        assert operator.session_of(ann.access).seen_generation == 0
        clock.move(AFTER_GRACE)


@pytest.mark.parametrize("path", ["/api/x", "/auth/users/me/"])
def test_a_successor_that_the_client_presents_counts_as_seen(
    ann: Person, gateway: GatewayInFront, operator: Operator, clock: MovableClock, path: str
) -> None:
    """Also at the worker that fetched it. Afterwards, the used token is a replay."""
    clock.move(AFTER_EXPIRY)
    fresh = gateway.get(path, access=ann.access, refresh=ann.refresh).fresh
    assert fresh
    assert gateway.get(path, access=fresh.access, refresh=fresh.refresh).status == 200
    gateway.send_usage_reports()
    assert operator.session_of(ann.access).seen_generation == 1
    clock.move(AFTER_GRACE)
    assert gateway.get(path, access=ann.access, refresh=ann.refresh).status == 401
    assert operator.session_of(ann.access).revoked_at == clock()


def test_a_client_cannot_mark_its_token_as_fetched(ann: Person, client: FlaskClient, operator: Operator) -> None:
    """X-Fetched-Token is ignored unless it has the valid MAC, which only the gateway can compute."""
    for generation, mac in enumerate(("", "junk", "0" * 64, ann.access, "\xe9"), start=1):
        ann.refresh_tokens()
        assert operator.session_of(ann.access).seen_generation == generation - 1
        headers = {"Authorization": f"Bearer {ann.access}", "X-Fetched-Token": mac}
        assert client.get("/auth/users/me/", headers=headers).status_code == 200
        assert operator.session_of(ann.access).seen_generation == generation


def test_a_token_of_a_browser_session_is_not_reported(ann: Person, gateway: GatewayInFront) -> None:
    handle = gateway.log_in(ann.email, PASSWORD)
    assert gateway.get("/api/x", handle=handle).status == 200
    assert gateway.get("/auth/users/me/", handle=handle).status == 200
    assert len(gateway.usage_reports) == 0


@pytest.mark.parametrize("path", ["/api/x", "/auth/users/me/"])
def test_a_token_that_expired_within_the_leeway_works_for_every_upstream(
    ann: Person, gateway: GatewayInFront, clock: MovableClock, path: str
) -> None:
    """The auth service has no leeway, so the gateway refreshes an expired token before it sends it there."""
    clock.move(299.9)
    assert gateway.get(path, access=ann.access, refresh=ann.refresh).fresh is None
    clock.move(0.1)
    assert gateway.get("/api/x", access=ann.access).status == 200
    outcome = gateway.get(path, access=ann.access, refresh=ann.refresh)
    assert (outcome.status, outcome.fresh is not None) == (200, True)


# --- random histories with all three clients ----------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["bearer", "refreshing", "refreshing", "cookie"]),
        st.sampled_from(["/api/x", "/auth/users/me/"]),
        st.sampled_from(["arrives", "is lost"]),
        st.booleans(),
        st.sampled_from([0.0, 1.0, 9.0, 12.0, 320.0, 86_400.0]),
    ),
    min_size=3,
    max_size=12,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_no_honest_client_is_logged_out_and_no_stolen_token_is_accepted_late(
    ann: Person, gateway: GatewayInFront, clock: MovableClock, steps: list[tuple[str, str, str, bool, float]]
) -> None:
    """A client that refreshes its tokens, one for which the gateway does, and a browser; responses may be lost.

    At the end a thief presents a token whose successor was presented. It is refused, and the session ends.
    """
    bearer, refreshing = Person(ann.client, ann.email), Person(ann.client, ann.email)
    bearer.log_in()
    refreshing.log_in()
    handle = gateway.log_in(ann.email, PASSWORD)
    stolen, is_successor_presented = refreshing.refresh, False
    for mode, path, response, is_reported, seconds in steps:
        clock.move(seconds)
        if mode == "cookie":
            assert gateway.get(path, handle=handle).status == 200
        elif mode == "bearer":
            answer = bearer.refresh_with(bearer.refresh)
            assert answer.status_code == 200
            if response == "arrives" and answer.json:
                bearer.access, bearer.refresh = answer.json["access"], answer.json["refresh"]
                assert gateway.get(path, access=bearer.access).status == 200
        else:
            outcome = gateway.get(path, access=refreshing.access, refresh=refreshing.refresh)
            assert outcome.status == 200
            is_successor_presented = is_successor_presented or refreshing.refresh != stolen
            if response == "arrives" and outcome.fresh:
                refreshing.access, refreshing.refresh = outcome.fresh.access, outcome.fresh.refresh
        if is_reported:
            gateway.send_usage_reports()
    gateway.send_usage_reports()
    clock.move(AFTER_GRACE)
    if is_successor_presented:
        assert refreshing.refresh_with(stolen).status_code == 401
        clock.move(AFTER_EXPIRY)
        assert gateway.get("/api/x", access=refreshing.access, refresh=refreshing.refresh).status == 401
    assert gateway.get("/api/x", handle=handle).status == 200
