"""Refreshing a session: the decision is stored, and made again if another request changed the session first."""

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from auth_service.accounts.user import NewUser
from auth_service.events.account_events import EndReason
from auth_service.events.client import Client
from auth_service.services import Services
from auth_service.sessions.refresh import NoActiveAccount, RefreshConflict, refresh_session
from auth_service.sessions.refresh_policy import Decision, Ended, RefreshPolicy, ReissueSuccessor, Replay, Rotate
from auth_service.sessions.store import RefreshResult, Session, SessionWithUser, new_session
from tests.clocks import MovableClock

pytestmark = pytest.mark.usefixtures("in_context")

POLICY = RefreshPolicy(grace=10, confirm=True, idle_lifetime=10**6, access_lifetime=300)


@pytest.fixture
def session(parts: Services, clock: MovableClock) -> Session:
    ann = parts.users.register(NewUser("ann@example.org", "hash"), clock())
    session = new_session(ann.id, clock(), 1000, POLICY)
    assert parts.sessions.open(session, ann, Client("a phone", "192.0.2.7"))
    return session


def refresh(parts: Services, session: Session, presented: int, now: float) -> RefreshResult:
    refreshed = refresh_session(parts.sessions, POLICY, session.sid, session.user_id, presented, now)
    assert refreshed
    return refreshed


def test_the_state_after_a_rotation_is_stored(parts: Services, session: Session, clock: MovableClock) -> None:
    clock.move(5)
    refreshed = refresh(parts, session, 0, clock())
    assert refreshed.decision == Rotate()
    assert parts.sessions.find(session.sid) == refreshed.session


def test_a_rotation_does_not_change_the_absolute_end(parts: Services, session: Session, clock: MovableClock) -> None:
    for presented in range(5):
        clock.move(100)
        assert refresh(parts, session, presented, clock()).session.state.expires_at == session.state.expires_at


def test_a_session_of_another_user_is_not_found(parts: Services, session: Session, clock: MovableClock) -> None:
    other = parts.users.register(NewUser("bob@example.org", "hash"), clock())
    assert refresh_session(parts.sessions, POLICY, session.sid, other.id, 0, clock()) is None
    assert refresh_session(parts.sessions, POLICY, "0" * 32, session.user_id, 0, clock()) is None


def test_a_refresh_needs_an_active_account(parts: Services, session: Session, clock: MovableClock) -> None:
    with pytest.raises(NoActiveAccount) as deleted:
        refresh_session(parts.sessions, POLICY, session.sid, uuid4(), 0, clock())
    assert deleted.value.is_deleted
    user = parts.users.find(session.user_id)
    assert user
    parts.users.deactivate(user, clock())
    with pytest.raises(NoActiveAccount) as deactivated:
        refresh_session(parts.sessions, POLICY, session.sid, session.user_id, 0, clock())
    assert not deactivated.value.is_deleted
    found = parts.sessions.find(session.sid)
    assert found
    assert found.state.generation == 0


def test_a_replay_ends_the_session(parts: Services, session: Session, clock: MovableClock) -> None:
    refresh(parts, session, 0, clock())
    refresh(parts, session, 1, clock())
    clock.move(60)
    assert refresh(parts, session, 0, clock()).decision == Replay()
    found = parts.sessions.find(session.sid)
    assert found
    assert found.state.revoked_at == clock()


def change_after_the_first_read(
    parts: Services, monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]
) -> None:
    """Call `change` between the first read of a refresh and its write, as another worker might."""
    find = parts.sessions.find_with_user

    def find_then_change(sid: str, user_id: UUID) -> SessionWithUser | None:
        found = find(sid, user_id)
        monkeypatch.setattr(parts.sessions, "find_with_user", find)
        change()
        return found

    monkeypatch.setattr(parts.sessions, "find_with_user", find_then_change)


@pytest.mark.parametrize(
    ("is_end", "decision", "generation"), [(False, ReissueSuccessor(restarts_grace=True), 1), (True, Ended(), 0)]
)
def test_a_refresh_decides_again_if_another_request_was_first(
    parts: Services,
    session: Session,
    clock: MovableClock,
    monkeypatch: pytest.MonkeyPatch,
    is_end: bool,
    decision: Decision,
    generation: int,
) -> None:
    """If the other request rotated, the result is the same successor. If it ended the session, it stays ended."""

    changes: dict[bool, Callable[[], object]] = {
        True: lambda: parts.sessions.end(session.sid, clock(), EndReason.LOGOUT),
        False: lambda: refresh(parts, session, 0, clock()),
    }
    change_after_the_first_read(parts, monkeypatch, changes[is_end])
    refreshed = refresh(parts, session, 0, clock())
    assert refreshed.decision == decision
    assert refreshed.session.state.generation == generation
    assert parts.sessions.find(session.sid) == refreshed.session


def test_a_refresh_whose_writes_all_fail_raises_refresh_conflict(
    parts: Services, session: Session, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts.sessions, "replace", lambda *_, **__: False)
    with pytest.raises(RefreshConflict):
        refresh(parts, session, 0, clock())
    assert parts.sessions.find(session.sid) == session
