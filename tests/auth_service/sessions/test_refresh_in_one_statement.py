"""A refresh without a rotation in grace is one SQL statement, with the result of the refresh policy."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis
from sqlalchemy import delete, insert

from auth_service.accounts.user import AccountStatus
from auth_service.services import Services
from auth_service.sessions.refresh_policy import MAX_RECENT, Rotate, SessionState, apply_decision, decide
from auth_service.storage.models import SessionRow, UserRow, db
from tests.auth_service.conftest import MakeApp
from tests.auth_service.sql_statements import statements
from tests.auth_service.world import Operator, Person
from tests.clocks import MovableClock

NOW = 1_790_000_000.0
USER = uuid4()


def command_counts(redis: Redis) -> dict[str, int]:
    """Return how often each Redis command was called."""
    stats = redis.info("commandstats")
    assert isinstance(stats, dict)
    return {name.removeprefix("cmdstat_"): int(one["calls"]) for name, one in stats.items()}


def test_a_refresh_is_one_statement_one_redis_read_and_one_redis_write(
    app: Flask, ann: Person, clock: MovableClock, redis: Redis
) -> None:
    ann.refresh_tokens()
    clock.move(300)
    redis.config_resetstat()
    with statements(app) as executed:
        assert ann.refresh_tokens().status_code == 200
    assert len(executed) == 1
    assert executed[0].split()[:2] == ["UPDATE", "sessions"]
    commands = command_counts(redis)
    assert (commands.pop("get"), commands.pop("set")) == (1, 1)
    # The other commands open a connection, or are those of this test.
    assert set(commands) <= {"config|resetstat", "info", "client|setinfo", "hello", "select"}


def test_a_session_has_one_row_and_one_entry_after_many_refreshes(
    client: FlaskClient, clock: MovableClock, redis: Redis, database: object, ann: Person, operator: Operator
) -> None:
    """Refreshes add no audit record either."""
    people = [ann] + [Person(client, ann.email) for _ in range(4)]
    for person in people[1:]:
        person.log_in()
    for _ in range(60):
        clock.move(4)  # less than the grace time, so that some refreshes are not rotations
        for person in people:
            assert person.refresh_tokens().status_code == 200
    with operator.app.app_context():
        assert db.session.query(SessionRow).count() == 5
    assert len(list(redis.scan_iter("blacklist:*"))) == 5
    trail = ann.call("GET", "/auth/audit/").json
    assert isinstance(trail, dict)
    assert {record["event"] for record in trail["results"]} == {"registered", "login_ok"}


@st.composite
def states(draw: st.DrawFn) -> SessionState:
    """Generate states as real histories produce them, also with clocks that differ between machines."""
    generation = draw(st.integers(0, 12))
    ages = draw(st.lists(st.sampled_from([-3.0, 0.0, 1.0, 9.0, 10.0, 11.0, 5000.0]), max_size=MAX_RECENT))
    rotations = tuple(NOW - age for age in sorted(ages, reverse=True))
    return SessionState(
        generation=generation,
        seen_generation=draw(st.integers(max(0, generation - 1), generation)),
        rotated_at=NOW - draw(st.sampled_from([0.0, 10.0, 999.0, 1000.0, 1001.0])),
        recent_rotations=rotations,
        expires_at=NOW + draw(st.sampled_from([-1.0, 0.0, 0.5, 1000.0])),
        revoked_at=draw(st.sampled_from([None, None, None, NOW - 1])),  # mostly live sessions
    )


@pytest.mark.usefixtures("in_context")
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(state=states(), rotations_since=st.integers(-1, 3), is_active=st.sampled_from([True, True, False]))
def test_the_statement_rotates_if_and_only_if_the_policy_does(
    short_idle: Services, state: SessionState, rotations_since: int, is_active: bool
) -> None:
    """The resulting row is that of the policy. The user must be active, and no rotation in grace."""
    policy = short_idle.grants.policy
    presented = state.generation - rotations_since
    store_session(state, is_active=is_active)
    rotated = short_idle.sessions.try_rotate("s" * 32, USER, presented, NOW)
    decision = decide(state, presented, NOW, policy)
    found = short_idle.sessions.find("s" * 32)
    assert found
    must_rotate = decision == Rotate() and is_active and not state.rotations_in_grace(NOW, policy.grace)
    assert (rotated is not None) == must_rotate
    if rotated:
        assert rotated.session == found
        assert found.state == apply_decision(state, Rotate(), NOW, policy)
        assert (rotated.email, rotated.roles) == ("ann@example.org", "beta")
    else:
        assert found.state == state


@pytest.fixture
def short_idle(make_app: MakeApp) -> Iterator[Services]:
    """The services of an application with an idle lifetime of 1000 seconds."""
    app = make_app(REFRESH_TOKEN_LIFETIME="1000")
    with app.app_context():
        yield app.extensions["sallyport-auth"]


def store_session(state: SessionState, *, is_active: bool) -> None:
    """Store a session with `state`, and its user."""
    db.session.execute(delete(SessionRow))
    db.session.execute(delete(UserRow))
    user = {
        "id": USER,
        "email": "ann@example.org",
        "email_folded": "ann@example.org",
        "password_hash": "",
        "roles": "beta",
        "status": AccountStatus.ACTIVE if is_active else AccountStatus.BARRED,
        "created_at": NOW,
        "password_changed_at": NOW,
    }
    db.session.execute(insert(UserRow).values(user))
    row = {
        "id": "s" * 32,
        "user_id": USER,
        "generation": state.generation,
        "seen_generation": state.seen_generation,
        "rotated_at": state.rotated_at,
        "recent_rotations": list(state.recent_rotations),
        "grace_began_at": max(state.recent_rotations, default=0.0),
        "created_at": NOW,
        "last_used_at": NOW,
        "expires_at": state.expires_at,
        "revoked_at": state.revoked_at,
    }
    db.session.execute(insert(SessionRow).values(row))
    db.session.commit()


def test_a_used_token_is_no_replay_within_its_restarted_grace_time(ann: Person, clock: MovableClock) -> None:
    """The statement compares the start of the grace time, not the time of the last rotation."""
    first = ann.refresh
    lost = ann.refresh_with(first).json  # the response never arrives
    clock.move(86_400)
    again = ann.refresh_with(first).json  # its grace time starts again
    assert lost
    assert again
    assert again["refresh"] == lost["refresh"]
    clock.move(3)
    ann.refresh = again["refresh"]
    assert ann.refresh_tokens().status_code == 200
    assert ann.refresh_with(first).status_code == 200
    assert ann.me().status_code == 200


def test_the_statement_refuses_a_deactivated_user(ann: Person, operator: Operator, app: Flask) -> None:
    """Even if the session has not ended."""
    with app.app_context():
        db.session.query(UserRow).update({"status": AccountStatus.BARRED})
        db.session.commit()
    answer = ann.refresh_tokens()
    assert (answer.status_code, answer.json) == (401, {"detail": "No active account found for the given token."})
