"""Promises of every audit store, and of every store about audit records."""

from collections.abc import Callable
from contextlib import ExitStack
from uuid import uuid4

import pytest
from sqlalchemy.exc import ProgrammingError

from auth_service.accounts.user import AccountStatus, NewUser, User
from auth_service.audit import failed_logins
from auth_service.audit.store import AuditFilter
from auth_service.events.account_events import EndReason, LoginFailed, UserDeactivated, UserDeleted
from auth_service.events.client import Client
from auth_service.sessions.store import Session, new_session
from auth_service.storage.database import StorePool
from auth_service.storage.models import db
from auth_service.storage.stores import Stores
from auth_service.store_errors import StoreUnavailable
from tests.auth_service.storage.conformance.conftest import NOW, PHONE, POLICY, StoreWorld

USER = User(uuid4(), "ann@example.org", "", "", "", AccountStatus.ACTIVE, "hash", NOW, NOW)


def test_a_record_has_the_event_its_time_and_its_client(world: StoreWorld) -> None:
    failure = LoginFailed(NOW, USER.id, PHONE, reason="wrong password")
    world.stores.audit.record(failure)
    (entry,) = world.stores.audit.page(USER.id, offset=0, limit=10)
    assert (entry.at, entry.event, entry.session) == (NOW, "login_failed", None)
    assert (entry.address, entry.device, entry.detail) == (
        PHONE.address,
        PHONE.device,
        {"reason": "wrong password"},
    )
    assert world.dispatched == [failure]


def test_a_page_holds_the_newest_records_of_one_user(world: StoreWorld) -> None:
    for number in range(5):
        world.stores.audit.record(LoginFailed(NOW + number, USER.id, PHONE, reason="wrong password"))
        world.stores.audit.record(LoginFailed(NOW + number, uuid4(), PHONE, reason="wrong password"))
    audit = world.stores.audit
    assert audit.count(USER.id) == 5
    assert [entry.at - NOW for entry in audit.page(USER.id, offset=0, limit=2)] == [4, 3]
    assert [entry.at - NOW for entry in audit.page(USER.id, offset=4, limit=2)] == [0]


def test_old_records_are_pruned_in_batches(world: StoreWorld) -> None:
    for number in range(5):
        world.stores.audit.record(LoginFailed(NOW + number, USER.id, PHONE, reason="wrong password"))
    audit = world.stores.audit
    assert [audit.prune(NOW + 3, 2) for _ in range(3)] == [2, 1, 0]
    assert [entry.at - NOW for entry in audit.page(USER.id, offset=0, limit=9)] == [4, 3]


def test_surplus_failed_logins_are_pruned_by_account(world: StoreWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest of a window are kept: some of each account, and some of all unknown names together."""
    audit = world.stores.audit
    monkeypatch.setattr("auth_service.storage.audit.store.MAX_ROWS_PER_ACCOUNT", 2)
    monkeypatch.setattr("auth_service.storage.audit.store.MAX_ROWS_OF_UNKNOWN_ACCOUNTS", 3)
    for number in range(5):
        audit.record(LoginFailed(NOW + number, USER.id, PHONE, reason="wrong password"))
        audit.record(LoginFailed(NOW + number, None, PHONE, account_hash=str(number)))
    now_is_after_the_window = NOW + failed_logins.WINDOW_SECONDS + 9
    assert audit.prune_failed_logins(now_is_after_the_window, 10) == 0
    # Surplus are three of the user's and two of unknown names; a call deletes at most four.
    assert [audit.prune_failed_logins(NOW + 5, 4) for _ in range(3)] == [4, 1, 0]
    assert [entry.at - NOW for entry in audit.page(USER.id, offset=0, limit=9)] == [1, 0]
    assert len(world.records(None)) == 3


CHANGES: dict[str, Callable[[Stores, User, Session], object]] = {
    "log-in": lambda stores, user, _: stores.sessions.open(new_session(user.id, NOW, 9, POLICY), user, PHONE),
    "end": lambda stores, _, session: stores.sessions.end(session.sid, NOW, EndReason.LOGOUT),
    "end all": lambda stores, user, _: stores.sessions.end_all(user.id, NOW, EndReason.REVOKED_BY_OWNER),
    "password": lambda stores, user, _: stores.users.change_password(user, "new", NOW, keep=None),
    "password reset": lambda stores, user, _: stores.users.reset_password(user, "new", NOW),
    "e-mail address": lambda stores, user, _: stores.users.change_email(user, "new@b.co", NOW, keep=None),
    "registration": lambda stores, *_: stores.users.register(NewUser("new@b.co", "hash"), NOW),
    "roles": lambda stores, user, _: stores.users.set_roles(user, ["staff"], NOW),
    "deactivation": lambda stores, user, _: stores.users.deactivate(user, NOW),
    "deletion": lambda stores, user, _: stores.users.delete(user, NOW),
    "failed log-in": lambda stores, user, _: stores.audit.record(LoginFailed(NOW, user.id, PHONE, reason="x")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_cannot_be_recorded_is_not_made(world: StoreWorld, change: str) -> None:
    """No event is dispatched either."""
    ann = world.register()
    session = world.open(ann)
    world.dispatched.clear()
    world.break_audit_inserts()
    # A missing table is an OperationalError of SQLite and a ProgrammingError of PostgreSQL.
    with pytest.raises((StoreUnavailable, ProgrammingError)):
        CHANGES[change](world.stores, ann, session)
    assert world.dispatched == []
    assert world.stores.users.find(ann.id) == ann
    assert world.stores.sessions.find(session.sid) == session
    assert len(world.stores.sessions.live_sessions(ann.id, NOW)) == 1
    assert [name for name, *_ in world.records(ann.id)] == ["login_ok"]
    assert world.stores.users.count(None) == 1


CALLS: dict[str, Callable[[Stores], object]] = {
    "find a user": lambda stores: stores.users.find(USER.id),
    "find by e-mail": lambda stores: stores.users.find_by_email(USER.email),
    "register": lambda stores: stores.users.register(NewUser("a@b.co", "hash"), NOW),
    "list users": lambda stores: stores.users.page(None),
    "find a session": lambda stores: stores.sessions.find("0" * 32),
    "rotate": lambda stores: stores.sessions.try_rotate("0" * 32, USER.id, 0, NOW),
    "end": lambda stores: stores.sessions.end("0" * 32, NOW, EndReason.LOGOUT),
    "raise seen generations": lambda stores: stores.sessions.raise_seen_generations([("0" * 32, 1)]),
    "record": lambda stores: stores.audit.record(LoginFailed(NOW, USER.id, PHONE, reason="x")),
    "list records": lambda stores: stores.audit.page(USER.id, offset=0, limit=1),
}


@pytest.mark.parametrize("call", CALLS)
def test_an_unreachable_database_raises_store_unavailable(unreachable: Stores, call: str) -> None:
    with pytest.raises(StoreUnavailable):
        CALLS[call](unreachable)


@pytest.mark.parametrize("call", ["find a user", "find by e-mail", "rotate"])
def test_a_pool_without_a_free_connection_raises_store_unavailable(
    world: StoreWorld, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """After the pool's timeout, which is short here; the next call succeeds."""
    db.session.close()
    pool = db.engine.pool
    assert isinstance(pool, StorePool)
    monkeypatch.setattr(pool, "_timeout", 0.01)
    with ExitStack() as held:
        for _ in range(pool.size()):
            held.enter_context(db.engine.connect())
        with pytest.raises(StoreUnavailable):
            CALLS[call](world.stores)
    CALLS[call](world.stores)


def test_records_can_be_followed(world: StoreWorld, ann: User) -> None:
    """The newest ones first, then those that were added since, of all accounts or of one."""
    audit, users = world.stores.audit, world.stores.users
    bob = world.register("bob@example.org")
    registered = audit.newest(limit=9)
    assert [(entry.event, entry.user_id) for entry in registered] == [("registered", ann.id), ("registered", bob.id)]
    assert audit.newest(limit=1) == registered[1:]
    assert audit.newest(limit=9, user_id=ann.id) == registered[:1]
    last = registered[-1].id
    users.deactivate(bob, NOW + 1)
    users.deactivate(ann, NOW + 2)
    users.activate(ann, NOW + 3)
    added = audit.after(last, limit=9)
    assert [(entry.event, entry.user_id) for entry in added] == [
        ("deactivated", bob.id),
        ("deactivated", ann.id),
        ("activated", ann.id),
    ]
    assert audit.after(last, limit=2) == added[:2]
    assert audit.after(last, limit=9, user_id=bob.id) == added[:1]
    assert audit.after(added[-1].id, limit=9) == []


# --- search --------------------------------------------------------------------------------------------------------


def test_records_of_all_accounts_are_found_by_each_filter(world: StoreWorld, ann: User) -> None:
    audit = world.stores.audit
    bob = world.register("bob@example.org")
    staff = Client("a browser", "192.0.2.9", actor="staff-id")
    audit.record(UserDeactivated(NOW + 10, bob.id, staff))
    audit.record(LoginFailed(NOW + 20, None, PHONE, account_hash="h"))

    def found(wanted: AuditFilter, before: int | None = None, limit: int = 10) -> list[str]:
        return [entry.event for entry in audit.search(wanted, before=before, limit=limit)]

    assert found(AuditFilter()) == ["login_failed", "deactivated", "registered", "registered"]
    assert found(AuditFilter(event="deactivated")) == ["deactivated"]
    assert found(AuditFilter(user_id=bob.id)) == ["deactivated", "registered"]
    assert found(AuditFilter(actor="staff-id")) == ["deactivated"]
    assert found(AuditFilter(address=PHONE.address)) == ["login_failed"]
    assert found(AuditFilter(since=NOW + 10)) == ["login_failed", "deactivated"]
    assert found(AuditFilter(since=NOW + 10, until=NOW + 20)) == ["deactivated"]
    newest = audit.search(AuditFilter(), before=None, limit=2)
    assert found(AuditFilter(), before=newest[-1].id, limit=1) == ["registered"]


def test_records_are_counted_in_the_hour_to_which_they_belong(world: StoreWorld) -> None:
    """Just before the end of an hour is still that hour; records outside of the hours are not counted."""
    for at in (-1, 0, 1_800, 3_599.9, 3_600, 7_199, 7_200):
        world.stores.audit.record(LoginFailed(NOW + at, None, PHONE, account_hash="h"))
    world.stores.audit.record(UserDeleted(NOW, None, PHONE))
    assert world.stores.audit.count_by_hour(["login_failed"], NOW, 2) == {
        ("login_failed", 0): 3,
        ("login_failed", 1): 2,
    }
