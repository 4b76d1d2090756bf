"""Every store of other systems' tokens opens one session per token, and none after all sessions were ended."""

from dataclasses import replace

import pytest

from auth_service.accounts.user import User
from auth_service.events.account_events import EndReason, SessionMovedIn
from auth_service.sessions.foreign_tokens import ForeignToken
from auth_service.sessions.store import Session, new_session
from tests.auth_service.storage.conformance.conftest import NOW, PHONE, POLICY, StoreWorld
from tests.auth_service.storage.conformance.test_import_store import imported_user

TOKEN = ForeignToken("refresh", "a-jti", "django", "1", NOW - 100, NOW + 1_000)


@pytest.fixture
def moved(world: StoreWorld) -> User:
    """An imported, active user."""
    user = replace(imported_user(1), status="active")  # type: ignore[arg-type]
    world.stores.imports.import_batch("django", [user], NOW, is_dry_run=False)
    found = world.stores.users.find(user.user_id)
    assert found
    return found


def session_for(user: User, token: ForeignToken = TOKEN) -> Session:
    """Return the session of a token."""
    return replace(new_session(user.id, NOW, 1_000, POLICY), sid=token.sid)


def opened(world: StoreWorld, user: User, token: ForeignToken = TOKEN) -> bool:
    """Open the session of a token."""
    return world.stores.foreign_tokens.open(token, session_for(user, token), PHONE, is_recorded=True)


def test_a_token_opens_one_session(world: StoreWorld, moved: User) -> None:
    assert world.stores.foreign_tokens.find_user(TOKEN) == moved.id
    assert not world.stores.foreign_tokens.is_refused(TOKEN)

    assert opened(world, moved)
    assert not opened(world, moved)

    assert world.stores.foreign_tokens.is_refused(TOKEN)
    assert world.stores.sessions.find(TOKEN.sid) == session_for(moved)
    assert world.stores.sessions.authenticated_at(TOKEN.sid) == 0.0, "the user entered no password here"
    assert world.dispatched == [SessionMovedIn(NOW, moved.id, PHONE, TOKEN.sid)]
    assert [record[0] for record in world.records(moved.id)] == ["session_moved_in"]


def test_parallel_requests_open_one_session(world: StoreWorld, moved: User) -> None:
    results = world.in_parallel(*[lambda: opened(world, moved)] * 12)

    assert sorted(results) == [False] * 11 + [True]


def test_a_user_of_another_source_has_no_token(world: StoreWorld, moved: User) -> None:
    other = replace(TOKEN, source="shop")

    assert world.stores.foreign_tokens.find_user(other) is None
    assert not opened(world, moved, other)


@pytest.mark.parametrize("issued_at", [NOW - 1, NOW, NOW + 1])
def test_the_end_of_all_sessions_refuses_tokens_issued_until_then(
    world: StoreWorld, moved: User, issued_at: float
) -> None:
    world.stores.sessions.end_all(moved.id, NOW, EndReason.REVOKED_BY_OWNER)
    world.stores.sessions.end_all(moved.id, NOW - 50, EndReason.REVOKED_BY_OWNER)  # a clock that is behind
    token = replace(TOKEN, issued_at=issued_at)

    assert opened(world, moved, token) is (issued_at > NOW)


def test_an_exchange_and_the_end_of_all_sessions_at_once_leave_no_session(world: StoreWorld, moved: User) -> None:
    for attempt in range(15):
        token = replace(TOKEN, jti=f"{attempt}", issued_at=NOW + attempt)
        end_at = NOW + attempt + 0.5

        def open_session(token: ForeignToken = token) -> object:
            return opened(world, moved, token)

        def end_all(end_at: float = end_at) -> object:
            return world.stores.sessions.end_all(moved.id, end_at, EndReason.REVOKED_BY_OWNER)

        world.in_parallel(open_session, end_all)

        session = world.stores.sessions.find(token.sid)
        assert session is None or session.state.revoked_at is not None


def test_an_exchange_and_a_deactivation_at_once_leave_no_session(world: StoreWorld, moved: User) -> None:
    for attempt in range(10):
        token = replace(TOKEN, jti=f"{attempt}", issued_at=NOW + attempt)

        def open_session(token: ForeignToken = token) -> object:
            return opened(world, moved, token)

        def deactivate(now: float = NOW + attempt + 0.5) -> object:
            return world.stores.users.deactivate(moved, now)

        world.in_parallel(open_session, deactivate)

        session = world.stores.sessions.find(token.sid)
        assert session is None or session.state.revoked_at is not None
        world.stores.users.activate(moved, NOW + attempt + 0.6)


def test_expired_tokens_are_pruned(world: StoreWorld, moved: User) -> None:
    opened(world, moved)

    assert world.stores.foreign_tokens.prune(TOKEN.expires_at, 10) == 0
    assert world.stores.foreign_tokens.prune(TOKEN.expires_at + 1, 10) == 1
