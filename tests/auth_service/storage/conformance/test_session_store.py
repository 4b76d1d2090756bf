"""Promises of every session store."""

from dataclasses import replace

import pytest
from sqlalchemy import update

from auth_service.accounts.user import User
from auth_service.events.account_events import EndReason, LoggedIn, Reauthenticated, SessionEnded
from auth_service.sessions.refresh_policy import ReissueSuccessor, Replay, Rotate, apply_decision
from auth_service.sessions.store import HandleTaken, Session, SessionRevocation, new_session
from auth_service.storage.models import SessionRow, db
from tests.auth_service.storage.conformance.conftest import BROWSER, NOW, PHONE, POLICY, StoreWorld


def ended(session: Session, reason: EndReason, at: float) -> SessionEnded:
    state = session.state
    return SessionEnded(at, session.user_id, BROWSER, session.sid, reason, state.expires_at, state.access_expires_at)


# --- open ----------------------------------------------------------------------------------------------------------


def test_an_opened_session_is_found_and_recorded(world: StoreWorld, ann: User) -> None:
    session = world.open(ann)
    assert world.stores.sessions.find(session.sid) == session
    assert world.stores.sessions.find("0" * 32) is None
    assert (world.row(session).device, world.row(session).address) == (PHONE.device, PHONE.address)
    assert world.dispatched[1:] == [LoggedIn(NOW, ann.id, PHONE, session.sid)]
    assert world.records(ann.id) == [("login_ok", session.sid, {})]


def test_no_session_opens_for_a_user_who_changed_since_the_password_was_verified(world: StoreWorld) -> None:
    """The password was changed, the user deactivated, or deleted: nothing is stored, recorded or dispatched."""
    users, sessions = world.stores.users, world.stores.sessions
    changed, deactivated, deleted = (world.register(f"{name}@example.org") for name in ("a", "b", "c"))
    assert users.change_password(changed, "another hash", NOW + 1, keep=None)
    users.deactivate(deactivated, NOW + 1)
    users.delete(deleted, NOW + 1)
    world.dispatched.clear()
    for user in (changed, deactivated, deleted):
        session = new_session(user.id, NOW, 1000, POLICY)
        assert not sessions.open(session, user, PHONE)
        assert sessions.find(session.sid) is None
        assert "login_ok" not in [name for name, *_ in world.records(user.id)]
    assert world.dispatched == []


def test_a_log_in_can_replace_an_outdated_password_hash(world: StoreWorld, ann: User) -> None:
    session = new_session(ann.id, NOW, 1000, POLICY)
    assert world.stores.sessions.open(session, ann, PHONE, new_password_hash="better")
    found = world.stores.users.find(ann.id)
    assert found == replace(ann, password_hash="better")


def test_a_handle_belongs_to_one_session(world: StoreWorld, ann: User) -> None:
    first = world.open(ann, handle_hash="h1")
    assert world.stores.sessions.find_by_handle("h1") == first
    assert world.stores.sessions.find_by_handle("h2") is None
    second = new_session(ann.id, NOW, 1000, POLICY)
    world.dispatched.clear()
    with pytest.raises(HandleTaken):
        world.stores.sessions.open(second, ann, PHONE, handle_hash="h1")
    assert world.stores.sessions.find(second.sid) is None
    assert world.dispatched == []


def test_a_log_in_ends_the_session_that_it_replaces_and_the_oldest_above_the_maximum(
    world: StoreWorld, ann: User
) -> None:
    bob = world.register("bob@example.org")
    replaced = world.open(bob, handle_hash="h1")
    oldest, newer = world.open(ann, NOW + 1), world.open(ann, NOW + 2)
    world.dispatched.clear()
    newest = world.open(ann, NOW + 3, handle_hash="h2", replaces="h1", max_sessions=2)
    login, *ends = world.dispatched
    assert login == LoggedIn(NOW + 3, ann.id, PHONE, newest.sid)
    assert ends == [
        replace(ended(replaced, EndReason.REPLACED, NOW + 3), client=PHONE),
        replace(ended(oldest, EndReason.TOO_MANY, NOW + 3), client=PHONE),
    ]
    live = world.stores.sessions.live_sessions(ann.id, NOW + 3)
    assert [listed.sid for listed in live] == [newest.sid, newer.sid]
    assert world.records(bob.id)[-1] == ("session_revoked", replaced.sid, {"reason": "replaced by a log-in"})


# --- refresh -------------------------------------------------------------------------------------------------------


def test_a_session_is_found_only_with_its_own_user(world: StoreWorld, ann: User, session: Session) -> None:
    sessions = world.stores.sessions
    bob = world.register("bob@example.org")
    own, other = sessions.find_with_user(session.sid, ann.id), sessions.find_with_user(session.sid, bob.id)
    assert own
    assert (own.session, own.user.email, own.user.is_active) == (session, "ann@example.org", True)
    assert other
    assert (other.session, other.user.email) == (None, "bob@example.org")
    world.stores.users.deactivate(ann, NOW)
    inactive = sessions.find_with_user(session.sid, ann.id)
    assert inactive
    assert not inactive.user.is_active
    world.stores.users.delete(ann, NOW)
    assert sessions.find_with_user(session.sid, ann.id) is None


def test_a_rotation_in_one_statement_has_the_result_of_the_policy(
    world: StoreWorld, ann: User, session: Session
) -> None:
    sessions, now = world.stores.sessions, NOW + 400
    refreshed = sessions.try_rotate(session.sid, ann.id, 0, now)
    assert refreshed
    assert refreshed.session.state == apply_decision(session.state, Rotate(), now, POLICY)
    assert sessions.find(session.sid) == refreshed.session
    assert (refreshed.email, refreshed.roles) == (ann.email, "")
    assert world.row(session).last_used_at == now


def test_a_rotation_in_one_statement_is_refused_and_changes_nothing(
    world: StoreWorld, ann: User, session: Session
) -> None:
    """For a used token, another user, a rotation in grace, an expired session and a deactivated user."""
    sessions = world.stores.sessions
    rotated = sessions.try_rotate(session.sid, ann.id, 0, NOW)
    assert rotated
    bob = world.register("bob@example.org")
    expired = NOW + POLICY.idle_lifetime
    for user_id, presented, now in ((ann.id, 0, NOW + 99), (bob.id, 1, NOW + 99), (ann.id, 1, NOW + 9)):
        assert sessions.try_rotate(session.sid, user_id, presented, now) is None
    assert sessions.try_rotate(session.sid, ann.id, 1, expired) is None
    assert sessions.find(session.sid) == rotated.session
    world.stores.users.deactivate(ann, NOW + 50)
    assert sessions.try_rotate(session.sid, ann.id, 1, NOW + 99) is None


def test_a_session_is_replaced_only_if_it_is_as_it_was_read(world: StoreWorld, session: Session) -> None:
    sessions = world.stores.sessions
    rotated = replace(session, state=apply_decision(session.state, Rotate(), NOW + 5, POLICY))
    assert sessions.replace(session, rotated, NOW + 5)
    assert sessions.find(session.sid) == rotated
    assert not sessions.replace(session, rotated, NOW + 5)
    reissued = replace(rotated, state=apply_decision(rotated.state, ReissueSuccessor(True), NOW + 6, POLICY))
    assert sessions.end(session.sid, NOW + 6, EndReason.LOGOUT)
    assert not sessions.replace(rotated, reissued, NOW + 6)


def test_a_replacement_that_ends_the_session_is_recorded_and_dispatched(world: StoreWorld, session: Session) -> None:
    sessions = world.stores.sessions
    replayed = replace(session, state=apply_decision(session.state, Replay(), NOW + 5, POLICY))
    assert sessions.replace(session, replayed, NOW + 5, end_reason=EndReason.REPLAY)
    assert not sessions.replace(session, replayed, NOW + 6, end_reason=EndReason.REPLAY)
    assert world.dispatched == [ended(session, EndReason.REPLAY, NOW + 5)]
    assert world.records(session.user_id)[1:] == [("replay_detected", session.sid, {})]


def test_a_renewal_restarts_the_idle_time_and_covers_a_new_access_token(world: StoreWorld, session: Session) -> None:
    sessions = world.stores.sessions
    assert sessions.renew(session.sid, NOW + 30)
    assert world.row(session).access_expires_at == session.state.access_expires_at
    assert sessions.renew(session.sid, NOW + 100)
    row = world.row(session)
    assert (row.rotated_at, row.last_used_at, row.access_expires_at) == (NOW + 100, NOW + 100, NOW + 100 + 300 + 60)
    assert row.expires_at == session.state.expires_at
    assert sessions.end(session.sid, NOW + 101, EndReason.LOGOUT)
    assert not sessions.renew(session.sid, NOW + 102)


def test_the_seen_generation_only_rises_and_never_above_the_generation(world: StoreWorld, session: Session) -> None:
    db.session.execute(update(SessionRow).values(generation=5, seen_generation=2))
    db.session.commit()
    seen = []
    for generation in (1, 3, 2, 9):
        world.stores.sessions.raise_seen_generations([(session.sid, generation), ("unknown", generation)])
        seen.append(world.row(session).seen_generation)
    assert seen == [2, 3, 3, 3]
    world.stores.sessions.raise_seen_generations([])


# --- end -----------------------------------------------------------------------------------------------------------


def test_a_session_ends_once(world: StoreWorld, session: Session) -> None:
    sessions = world.stores.sessions
    assert sessions.end(session.sid, NOW + 5, EndReason.LOGOUT)
    assert not sessions.end(session.sid, NOW + 6, EndReason.LOGOUT)
    assert not sessions.end("0" * 32, NOW + 6, EndReason.LOGOUT)
    assert world.dispatched == [ended(session, EndReason.LOGOUT, NOW + 5)]
    assert world.records(session.user_id)[1:] == [("logout", session.sid, {})]


def test_an_owner_ends_only_their_own_sessions(world: StoreWorld, ann: User, session: Session) -> None:
    bob = world.register("bob@example.org")
    assert not world.stores.sessions.end(session.sid, NOW, EndReason.REVOKED_BY_OWNER, owner=bob.id)
    assert world.stores.sessions.end(session.sid, NOW, EndReason.REVOKED_BY_OWNER, owner=ann.id)


def test_all_sessions_of_a_user_end_except_the_one_to_keep(world: StoreWorld, ann: User, session: Session) -> None:
    bobs = world.open(world.register("bob@example.org"))
    kept, other = world.open(ann), world.open(ann)
    world.dispatched.clear()
    assert world.stores.sessions.end_all(ann.id, NOW + 5, EndReason.REVOKED_BY_OWNER, keep=kept.sid) == 2
    assert {event.sid for event in world.dispatched if isinstance(event, SessionEnded)} == {session.sid, other.sid}
    assert world.row(kept).revoked_at is None
    assert world.row(bobs).revoked_at is None
    assert world.stores.sessions.end_all(ann.id, NOW + 6, EndReason.REVOKED_BY_OWNER) == 1


# --- lists and pruning ---------------------------------------------------------------------------------------------


def test_live_sessions_are_listed_by_their_last_use(world: StoreWorld, ann: User) -> None:
    sessions = world.stores.sessions
    first, second, third = (world.open(ann, NOW + number) for number in range(3))
    short = world.open(ann, NOW, lifetime=5)
    world.open(world.register("bob@example.org"))
    sessions.renew(first.sid, NOW + 10)
    sessions.end(second.sid, NOW + 10, EndReason.LOGOUT)
    listed = sessions.live_sessions(ann.id, NOW + 10)
    assert [one.sid for one in listed] == [first.sid, third.sid]
    assert short.sid in [one.sid for one in sessions.live_sessions(ann.id, NOW + 4)]
    assert (listed[0].created_at, listed[0].last_used_at, listed[0].device) == (NOW, NOW + 10, "a phone")
    assert sessions.live_sessions(ann.id, NOW + POLICY.idle_lifetime + 10) == []


def test_revocations_are_listed_while_an_access_token_may_be_valid(world: StoreWorld, ann: User) -> None:
    sessions = world.stores.sessions
    first, second, live = world.open(ann), world.open(ann), world.open(ann)
    sessions.end(second.sid, NOW + 1, EndReason.LOGOUT)
    sessions.end(first.sid, NOW + 2, EndReason.LOGOUT)
    # Lifetime of an access token 300 s, padding 60 s.
    assert sessions.unexpired_revocations(NOW + 360) == [
        SessionRevocation(second.sid, NOW + 1, NOW + 360),
        SessionRevocation(first.sid, NOW + 2, NOW + 360),
    ]
    assert sessions.unexpired_revocations(NOW + 361) == []
    assert world.row(live).revoked_at is None


def test_expired_sessions_are_pruned_in_batches(world: StoreWorld, ann: User) -> None:
    sessions = world.stores.sessions
    short = [world.open(ann, lifetime=1000) for _ in range(3)]
    idle, live = world.open(ann), world.open(ann, NOW + POLICY.idle_lifetime)
    assert sessions.prune(NOW + 1000, 10) == 0
    assert sessions.prune(NOW + 1001, 2) == 2
    assert sessions.prune(NOW + 1001, 2) == 1
    assert [sessions.find(one.sid) for one in short] == [None] * 3
    assert sessions.prune(NOW + POLICY.idle_lifetime + 1, 10) == 1
    assert sessions.find(idle.sid) is None
    assert sessions.find(live.sid) == live


# --- authentication ------------------------------------------------------------------------------------------------


def test_the_time_of_the_last_password_is_that_of_the_log_in_until_it_is_entered_again(
    world: StoreWorld, ann: User, session: Session
) -> None:
    sessions, other = world.stores.sessions, world.open(ann, NOW + 5)
    assert (sessions.authenticated_at(session.sid), sessions.authenticated_at("0" * 32)) == (NOW, 0.0)
    world.dispatched.clear()
    assert sessions.record_authentication(session.sid, ann.id, NOW + 10)
    db.session.rollback()
    assert sessions.authenticated_at(session.sid) == NOW + 10
    assert sessions.authenticated_at(other.sid) == NOW + 5
    assert world.dispatched == [Reauthenticated(NOW + 10, ann.id, BROWSER, session.sid)]
    assert world.records(ann.id)[-1] == ("reauthenticated", session.sid, {})


def test_no_password_is_recorded_for_an_ended_session_or_that_of_another_user(
    world: StoreWorld, ann: User, session: Session
) -> None:
    sessions, bob = world.stores.sessions, world.register("bob@example.org")
    assert not sessions.record_authentication(session.sid, bob.id, NOW + 10)
    sessions.end(session.sid, NOW + 11, EndReason.LOGOUT)
    world.dispatched.clear()
    assert not sessions.record_authentication(session.sid, ann.id, NOW + 12)
    assert sessions.authenticated_at(session.sid) == NOW
    assert world.dispatched == []


# --- the sessions of all users -------------------------------------------------------------------------------------


def test_the_live_sessions_of_all_users_are_listed_with_their_users(world: StoreWorld, ann: User) -> None:
    sessions, bob = world.stores.sessions, world.register("bob@example.org")
    first, second, third = world.open(ann, NOW), world.open(bob, NOW + 1), world.open(ann, NOW + 2)
    ended, expired = world.open(ann, NOW + 3), world.open(ann, NOW + 4, lifetime=10)
    sessions.end(ended.sid, NOW + 5, EndReason.LOGOUT)
    now = NOW + 100
    listed = sessions.newest_live(now, offset=0, limit=10)
    assert [owned.session.sid for owned in listed] == [third.sid, second.sid, first.sid]
    assert [owned.email for owned in listed] == [ann.email, bob.email, ann.email]
    assert listed[1].user_id == bob.id
    assert expired.sid not in [owned.session.sid for owned in listed]
    assert [owned.session.sid for owned in sessions.newest_live(now, offset=1, limit=1)] == [second.sid]
    assert len(sessions.newest_live(now, address=PHONE.address, offset=0, limit=10)) == 3
    assert sessions.newest_live(now, address="192.0.2.250", offset=0, limit=10) == []
    assert sessions.count_live(now) == 3
