"""Token grants: the event of every outcome, and failed log-ins that count towards the throttle."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from flask import Flask

from auth_service.accounts.passwords.hashing import HashingBusy, Passwords
from auth_service.accounts.user import NewUser, User
from auth_service.events.account_events import (
    EndReason,
    Event,
    LoggedIn,
    LoginFailed,
    LoginThrottled,
    SessionEnded,
    TokensRefreshed,
)
from auth_service.events.client import Client
from auth_service.events.dispatcher import Dispatcher
from auth_service.services import Services, services
from auth_service.sessions.refresh import NoActiveAccount
from auth_service.throttling.login_throttle import Throttled
from auth_service.tokens.grants import BadCredentials
from auth_service.tokens.reader import UsedOrEndedToken
from contract.claims import ExpiredToken, InvalidToken
from tests.auth_service.conftest import MakeApp
from tests.auth_service.world import PASSWORD
from tests.clocks import MovableClock

pytestmark = pytest.mark.usefixtures("in_context")

EMAIL = "ann@example.org"
PHONE = Client("a phone", "192.0.2.7")


@pytest.fixture
def dispatched(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """The events that the application dispatches; its subscribers get them too."""
    events: list[Event] = []
    dispatch = Dispatcher.dispatch

    def record(self: Dispatcher, new_events: Sequence[Event]) -> None:
        events.extend(new_events)
        dispatch(self, new_events)

    monkeypatch.setattr(Dispatcher, "dispatch", record)
    return events


@pytest.fixture
def app(make_app: MakeApp, dispatched: list[Event]) -> Flask:
    return make_app(LOGIN_FAILURES="3/minute")


@pytest.fixture
def ann(parts: Services, dispatched: list[Event], clock: MovableClock) -> User:
    """A registered user, whose event has been cleared from `dispatched`."""
    ann = parts.users.register(NewUser(EMAIL, parts.passwords.hash(PASSWORD)), clock())
    dispatched.clear()
    return ann


def kinds(events: Sequence[Event]) -> list[type[Event]]:
    return [type(event) for event in events]


def test_a_right_password_opens_a_session(
    parts: Services, ann: User, dispatched: list[Event], clock: MovableClock
) -> None:
    pair = parts.grants.log_in(EMAIL, PASSWORD, PHONE)
    claims = parts.reader.read_refresh(pair.refresh)
    assert dispatched == [LoggedIn(clock(), ann.id, PHONE, claims.session)]
    assert not parts.grants.is_used_or_ended(claims)
    assert not parts.grants.has_ended(parts.reader.read_access(pair.access))


def test_the_reason_of_a_failed_log_in_is_recorded_and_not_returned(
    parts: Services, ann: User, dispatched: list[Event], clock: MovableClock
) -> None:
    """For a wrong password, a deactivated account and an unknown one, of which only a keyed hash is recorded."""
    for email, password in ((EMAIL, "wrong"), ("nobody@example.org", PASSWORD)):
        with pytest.raises(BadCredentials):
            parts.grants.log_in(email, password, PHONE)
    parts.users.deactivate(ann, clock())
    with pytest.raises(BadCredentials):
        parts.grants.log_in(EMAIL, PASSWORD, PHONE)
    wrong, unknown, deactivated = [event for event in dispatched if isinstance(event, LoginFailed)]
    assert wrong == LoginFailed(clock(), ann.id, PHONE, reason="wrong password")
    assert deactivated == LoginFailed(clock(), ann.id, PHONE, reason="account is barred")
    assert (unknown.user_id, unknown.reason, len(unknown.account_hash)) == (None, "", 32)


def test_too_many_failures_are_refused_before_the_password_is_verified(
    parts: Services, ann: User, dispatched: list[Event]
) -> None:
    for _ in range(3):
        with pytest.raises(BadCredentials):
            parts.grants.log_in(EMAIL, "wrong", PHONE)
    with pytest.raises(Throttled):
        parts.grants.log_in(EMAIL, PASSWORD, PHONE)
    assert kinds(dispatched) == [LoginFailed] * 3 + [LoginThrottled]
    recorded = [entry.event for entry in parts.audit.page(ann.id, offset=0, limit=9)]
    assert recorded == ["login_failed"] * 3 + ["registered"]


def test_a_log_in_whose_password_was_not_verified_does_not_count_as_a_failure(
    parts: Services, ann: User, dispatched: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often the hashing queue is full, the account is not throttled."""

    def busy(*_: object) -> None:
        raise HashingBusy

    with monkeypatch.context() as patched:
        patched.setattr(Passwords, "verifying", busy)
        for _ in range(5):
            with pytest.raises(HashingBusy):
                parts.grants.log_in(EMAIL, PASSWORD, PHONE)
    assert parts.grants.log_in(EMAIL, PASSWORD, PHONE)
    assert kinds(dispatched) == [LoggedIn]


def test_wrong_passwords_of_a_logged_in_user_are_throttled(
    parts: Services, ann: User, dispatched: list[Event]
) -> None:
    grants = parts.grants
    assert grants.verify_password(ann, PASSWORD, PHONE, session="1")
    assert [grants.verify_password(ann, "wrong", PHONE, session="1") for _ in range(3)] == [False] * 3
    with pytest.raises(Throttled):
        grants.verify_password(ann, PASSWORD, PHONE, session="1")
    assert kinds(dispatched) == [LoginFailed] * 3 + [LoginThrottled]


def test_the_event_of_a_refresh_has_the_decision_and_the_lowest_valid_generation(
    parts: Services, ann: User, dispatched: list[Event], clock: MovableClock
) -> None:
    grants = parts.grants
    first = grants.log_in(EMAIL, PASSWORD, PHONE)
    clock.move(300)
    second = grants.refresh(first.refresh, PHONE)
    assert grants.refresh(first.refresh, PHONE).refresh == second.refresh
    rotated, reissued = dispatched[1:]
    sid = parts.reader.read_refresh(first.refresh).session
    expires_at = clock() + parts.settings.refresh_token_lifetime
    assert rotated == TokensRefreshed(clock(), ann.id, PHONE, sid, "rotate", 1, 0, expires_at)
    assert reissued == TokensRefreshed(clock(), ann.id, PHONE, sid, "reissue", 1, None, expires_at)


def test_a_replay_ends_the_session_and_is_refused(
    parts: Services, ann: User, dispatched: list[Event], clock: MovableClock
) -> None:
    grants = parts.grants
    stolen = grants.log_in(EMAIL, PASSWORD, PHONE).refresh
    current = grants.refresh(grants.refresh(stolen, PHONE).refresh, PHONE).refresh
    clock.move(60)
    dispatched.clear()
    with pytest.raises(UsedOrEndedToken):
        grants.refresh(stolen, PHONE)
    (ended,) = dispatched
    assert isinstance(ended, SessionEnded)
    assert ended.reason == EndReason.REPLAY
    with pytest.raises(UsedOrEndedToken):
        grants.refresh(current, PHONE)
    assert dispatched == [ended]


def test_a_refused_refresh_without_a_replay_dispatches_no_event(
    parts: Services, ann: User, dispatched: list[Event], clock: MovableClock
) -> None:
    """For an invalid token, a deactivated account, an ended session and an expired session."""
    grants = parts.grants
    token = grants.log_in(EMAIL, PASSWORD, PHONE).refresh
    dispatched.clear()
    with pytest.raises(InvalidToken):
        grants.refresh("x.y.z", PHONE)
    assert dispatched == []
    # The token of a session that the user does not have: the row was deleted.
    other = replace(parts.reader.read_refresh(token), session="0" * 32)
    with pytest.raises(InvalidToken):
        grants.is_used_or_ended(other)
    parts.users.deactivate(ann, clock())
    dispatched.clear()
    with pytest.raises(NoActiveAccount):
        grants.refresh(token, PHONE)
    assert dispatched == []
    parts.users.activate(ann, clock())
    dispatched.clear()
    with pytest.raises(UsedOrEndedToken):
        grants.refresh(token, PHONE)
    assert dispatched == []
    expired = grants.log_in(EMAIL, PASSWORD, PHONE).refresh
    dispatched.clear()
    clock.move(parts.settings.refresh_token_lifetime)
    with pytest.raises(ExpiredToken):
        grants.refresh(expired, PHONE)
    assert dispatched == []


def test_a_revocation_ends_the_session_once(parts: Services, ann: User, dispatched: list[Event]) -> None:
    grants = parts.grants
    pair = grants.log_in(EMAIL, PASSWORD, PHONE)
    grants.revoke(pair.refresh, PHONE)
    with pytest.raises(UsedOrEndedToken):
        grants.revoke(pair.refresh, PHONE)
    assert grants.has_ended(parts.reader.read_access(pair.access))
    ended = [event for event in dispatched if isinstance(event, SessionEnded)]
    assert [event.reason for event in ended] == [EndReason.LOGOUT]


def test_the_parts_of_the_application_share_one_dispatcher(
    parts: Services, ann: User, dispatched: list[Event]
) -> None:
    """If a store ends a session, its subscribers are called, also without the grants."""
    pair = parts.grants.log_in(EMAIL, PASSWORD, PHONE)
    sid = parts.reader.read_refresh(pair.refresh).session
    assert parts.sessions.end(sid, parts.clock(), EndReason.LOGOUT)
    assert services().grants.blacklist.has_ended(sid)
    assert kinds(dispatched) == [LoggedIn, SessionEnded]
