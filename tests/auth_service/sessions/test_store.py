"""The sessions table: what is decided purely is recorded in one statement, whoever else is writing."""

import threading
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import update

from auth_service.accounts.users import NewAccount
from auth_service.audit.client import Client
from auth_service.services import Services, services
from auth_service.sessions.refresh_policy import RefreshPolicy, Reissue, Replay, Rotate
from auth_service.sessions.store import NoActiveAccount, Refreshed, Session, new_session
from auth_service.storage.models import SessionRow, User, db
from tests.clocks import MovableClock

pytestmark = pytest.mark.usefixtures("in_context")

POLICY = RefreshPolicy(grace=10, confirm=True, idle_lifetime=10**6, access_lifetime=300)
PHONE = Client("a phone", "192.0.2.7")


@pytest.fixture
def session(parts: Services, clock: MovableClock) -> Session:
    ann = parts.accounts.register(NewAccount("ann@example.org", "hash"), clock())
    return opened(parts, ann.id, clock(), lifetime=1000)


def opened(parts: Services, user_id: UUID, now: float, lifetime: float) -> Session:
    session = new_session(user_id, now, lifetime, POLICY)
    assert parts.sessions.open(session, PHONE, db.session.connection())
    db.session.commit()
    return session


def row(sid: str) -> SessionRow:
    db.session.expire_all()
    return db.session.get_one(SessionRow, sid)


def refresh(parts: Services, session: Session, presented: int, now: float) -> Refreshed:
    refreshed = parts.sessions.refresh(session.sid, session.user_id, presented, now)
    assert refreshed
    return refreshed


def test_a_rotation_is_recorded_as_it_was_decided(parts: Services, session: Session, clock: MovableClock) -> None:
    clock.move(5)
    refreshed = refresh(parts, session, 0, clock())
    assert refreshed.decision == Rotate()
    assert parts.sessions.find(session.sid) == refreshed.session
    assert row(session.sid).last_used_at == clock()


def test_a_rotation_never_moves_the_absolute_end(parts: Services, session: Session, clock: MovableClock) -> None:
    for presented in range(5):
        clock.move(100)
        assert refresh(parts, session, presented, clock()).session.state.expires_at == session.state.expires_at


def test_a_session_of_somebody_else_is_no_session(parts: Services, session: Session, clock: MovableClock) -> None:
    other = parts.accounts.register(NewAccount("bob@example.org", "hash"), clock())
    assert parts.sessions.refresh(session.sid, other.id, 0, clock()) is None
    assert parts.sessions.refresh("0" * 32, session.user_id, 0, clock()) is None


def test_nobody_refreshes_without_an_active_account(parts: Services, session: Session, clock: MovableClock) -> None:
    """And nothing is written for them."""
    with pytest.raises(NoActiveAccount) as deleted:
        parts.sessions.refresh(session.sid, uuid4(), 0, clock())
    assert deleted.value.is_deleted
    db.session.execute(update(User).where(User.id == session.user_id).values(is_active=False))
    db.session.commit()
    with pytest.raises(NoActiveAccount) as barred:
        parts.sessions.refresh(session.sid, session.user_id, 0, clock())
    assert not barred.value.is_deleted
    assert row(session.sid).generation == 0


def test_a_lost_race_is_decided_again(
    parts: Services, session: Session, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between our read and our write another worker rotates; we hand out what it made."""
    read = parts.sessions._read

    def read_then_lose(sid: str, user_id: UUID) -> tuple[Session | None, str, str]:
        found = read(sid, user_id)
        monkeypatch.setattr(parts.sessions, "_read", read)
        refresh(parts, session, 0, clock())
        return found

    monkeypatch.setattr(parts.sessions, "_read", read_then_lose)
    refreshed = refresh(parts, session, 0, clock())
    assert refreshed.decision == Reissue(restarts_grace=True)
    assert refreshed.session.state.generation == 1


def test_a_session_that_ends_between_read_and_write_stays_ended(
    parts: Services, session: Session, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = parts.sessions._read

    def read_then_end(sid: str, user_id: UUID) -> tuple[Session | None, str, str]:
        found = read(sid, user_id)
        monkeypatch.setattr(parts.sessions, "_read", read)
        parts.sessions.end(sid, clock())
        return found

    monkeypatch.setattr(parts.sessions, "_read", read_then_end)
    assert not isinstance(refresh(parts, session, 0, clock()).decision, Rotate)
    assert row(session.sid).generation == 0


def test_a_replay_ends_the_row(parts: Services, session: Session, clock: MovableClock) -> None:
    refresh(parts, session, 0, clock())
    refresh(parts, session, 1, clock())
    clock.move(60)
    assert refresh(parts, session, 0, clock()).decision == Replay()
    assert row(session.sid).revoked_at == clock()


def test_a_session_ends_once(parts: Services, session: Session, clock: MovableClock) -> None:
    ended = parts.sessions.end(session.sid, clock())
    assert ended
    assert (ended.sid, ended.user_id, ended.ended_at) == (session.sid, session.user_id, clock())
    assert parts.sessions.end(session.sid, clock() + 1) is None
    assert parts.sessions.ended_early(clock() + 300) == [ended]
    assert parts.sessions.ended_early(clock() + 361) == []


def test_all_sessions_of_a_user_end_but_the_one_to_keep(parts: Services, clock: MovableClock) -> None:
    user_id: UUID = uuid4()
    mine = [opened(parts, user_id, clock(), lifetime=9).sid for _ in range(3)]
    somebody_elses = opened(parts, uuid4(), clock(), lifetime=9).sid
    ended = parts.sessions.end_all(user_id, clock(), keep=mine[1])
    db.session.commit()
    assert {session.sid for session in ended} == {mine[0], mine[2]}
    assert row(mine[1]).revoked_at is None
    assert row(somebody_elses).revoked_at is None


def test_what_was_seen_only_rises_and_never_beyond_what_was_issued(
    parts: Services, session: Session, clock: MovableClock
) -> None:
    db.session.execute(update(SessionRow).values(generation=5, seen_generation=2))
    db.session.commit()
    seen = []
    for generation in (1, 3, 2, 9):
        parts.sessions.raise_seen([(session.sid, generation), ("unknown", generation)])
        seen.append(row(session.sid).seen_generation)
    assert seen == [2, 3, 3, 3]


def in_parallel(app: Flask, work: Callable[[Services], object], times: int) -> list[object]:
    """What `work` gives in so many threads that begin together."""
    barrier, results, errors = threading.Barrier(times), [], []

    def run() -> None:
        with app.app_context():
            barrier.wait()
            try:
                results.append(work(services()))
            except Exception as error:  # noqa: BLE001 - whatever it is, the test is to show it
                errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    return results


def test_parallel_refreshes_of_one_token_make_one_successor(
    app: Flask, session: Session, clock: MovableClock
) -> None:
    """R12: fifty at once, all served, one chain."""
    results = in_parallel(app, lambda parts: refresh(parts, session, 0, clock()), 50)
    refreshed = [result for result in results if isinstance(result, Refreshed)]
    assert len(refreshed) == 50
    assert {result.session.state.generation for result in refreshed} == {1}
    assert [result.decision for result in refreshed].count(Rotate()) == 1
    assert row(session.sid).generation == 1


def test_of_parallel_logouts_one_ends_the_session(app: Flask, session: Session, clock: MovableClock) -> None:
    results = in_parallel(app, lambda parts: parts.sessions.end(session.sid, clock()), 8)
    assert sum(result is not None for result in results) == 1
