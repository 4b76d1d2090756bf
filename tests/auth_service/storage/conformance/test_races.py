"""Promises of every store to concurrent callers: of several that change the same row, one succeeds."""

from functools import partial

from auth_service.accounts.store import EmailTaken, LastStaffUser
from auth_service.accounts.user import AccountStatus, NewUser, User
from auth_service.events.account_events import EndReason, SessionEnded
from auth_service.sessions.refresh import refresh_session
from auth_service.sessions.refresh_policy import Ended, Rotate
from auth_service.sessions.store import HandleTaken, RefreshResult, Session, new_session
from tests.auth_service.storage.conformance.conftest import NOW, PHONE, POLICY, THREADS, StoreWorld


def refresh(world: StoreWorld, session: Session) -> RefreshResult:
    refreshed = refresh_session(world.stores.sessions, POLICY, session.sid, session.user_id, 0, NOW + 99)
    assert refreshed
    return refreshed


def test_of_parallel_refreshes_of_one_generation_exactly_one_rotates(world: StoreWorld, session: Session) -> None:
    """The others get the same successor."""
    results = world.in_parallel(*[partial(refresh, world, session)] * (3 * THREADS))
    assert [result.decision for result in results].count(Rotate()) == 1
    assert {result.session.state.generation for result in results} == {1}
    assert world.row(session).generation == 1


def test_of_parallel_single_statement_rotations_exactly_one_succeeds(world: StoreWorld, session: Session) -> None:
    rotate = partial(world.stores.sessions.try_rotate, session.sid, session.user_id, 0, NOW + 99)
    results = world.in_parallel(*[rotate] * THREADS)
    assert sum(result is not None for result in results) == 1
    assert world.row(session).generation == 1


def test_of_parallel_registrations_of_one_mailbox_exactly_one_succeeds(world: StoreWorld) -> None:
    def register(number: int) -> User | None:
        try:
            return world.register("bob@example.org" if number % 2 else "BOB@Example.org")
        except EmailTaken:
            return None

    results = world.in_parallel(*(partial(register, number) for number in range(THREADS)))
    (registered,) = [user for user in results if user]
    assert world.stores.users.find_by_email("bob@example.org") == registered
    assert world.stores.users.count(None) == 1


def test_of_two_staff_users_who_remove_each_other_one_stays(world: StoreWorld) -> None:
    users = world.stores.users

    def demote(user: User) -> bool:
        try:
            return users.set_roles(user, [], NOW + 1, keep_staff=True) is not None
        except LastStaffUser:
            return False

    for number in range(8):
        pair = [
            users.register(NewUser(f"{name}{number}@example.org", "hash", roles="staff"), NOW) for name in ("a", "b")
        ]
        assert sorted(world.in_parallel(*(partial(demote, user) for user in pair))) == [False, True]
        for user in pair:
            users.delete(user, NOW + 2)


def test_of_parallel_acceptances_of_one_invitation_exactly_one_succeeds(world: StoreWorld) -> None:
    users = world.stores.users
    invited = users.register(NewUser("ann@example.org", "", status=AccountStatus.UNVERIFIED, is_invited=True), NOW)
    accept = [partial(users.accept_invitation, invited, f"hash{number}", NOW + 1) for number in range(THREADS)]
    assert world.in_parallel(*accept).count(True) == 1


def test_of_parallel_log_outs_exactly_one_ends_the_session(world: StoreWorld, session: Session) -> None:
    end = partial(world.stores.sessions.end, session.sid, NOW, EndReason.LOGOUT)
    assert world.in_parallel(*[end] * THREADS).count(True) == 1
    assert [type(event) for event in world.dispatched] == [SessionEnded]
    assert [name for name, *_ in world.records(session.user_id)] == ["login_ok", "logout"]


def test_a_session_that_ends_during_a_refresh_stays_ended(world: StoreWorld, ann: User) -> None:
    """If the refresh is first, it rotates. If it is second, it finds the session ended."""
    for _ in range(8):
        session = world.open(ann)
        end = partial(world.stores.sessions.end, session.sid, NOW + 99, EndReason.LOGOUT)
        refreshed, ended = world.in_parallel(partial(refresh, world, session), end)
        assert ended is True
        assert isinstance(refreshed, RefreshResult)
        row = world.row(session)
        assert row.revoked_at == NOW + 99
        assert (row.generation, refreshed.decision) in [(0, Ended()), (1, Rotate())]


def test_no_session_of_a_log_in_survives_a_concurrent_password_change(world: StoreWorld) -> None:
    """If the log-in is first, its session ends. If it is second, it is refused."""
    for number in range(8):
        user = world.register(f"user{number}@example.org")
        session = new_session(user.id, NOW, 1000, POLICY)
        log_in = partial(world.stores.sessions.open, session, user, PHONE)
        change = partial(world.stores.users.change_password, user, "new", NOW + 1, keep=None)
        _, is_changed = world.in_parallel(log_in, change)
        assert is_changed
        assert world.stores.sessions.live_sessions(user.id, NOW + 1) == []


def test_a_log_in_that_replaces_the_hash_never_overwrites_a_concurrent_password_change(world: StoreWorld) -> None:
    """The change succeeds in any case: a new hash of the same password is no change of the password."""
    for number in range(8):
        user = world.register(f"user{number}@example.org")
        session = new_session(user.id, NOW, 1000, POLICY)
        log_in = partial(world.stores.sessions.open, session, user, PHONE, new_password_hash="old, hashed again")
        change = partial(world.stores.users.change_password, user, "new", NOW + 1, keep=None)
        _, is_changed = world.in_parallel(log_in, change)
        found = world.stores.users.find(user.id)
        assert found
        assert (is_changed, found.password_hash) == (True, "new")


def test_of_parallel_password_changes_exactly_one_succeeds(world: StoreWorld, ann: User) -> None:
    changes = [
        partial(world.stores.users.change_password, ann, f"hash {number}", NOW + 1, keep=None)
        for number in range(THREADS)
    ]
    results = world.in_parallel(*changes)
    assert results.count(True) == 1
    found = world.stores.users.find(ann.id)
    assert found
    assert found.password_hash == f"hash {results.index(True)}"


def test_of_parallel_log_ins_with_one_handle_exactly_one_opens_a_session(world: StoreWorld, ann: User) -> None:
    def open_session() -> bool:
        try:
            world.open(ann, handle_hash="h")
        except HandleTaken:
            return False
        return True

    assert world.in_parallel(*[open_session] * THREADS).count(True) == 1


def test_parallel_reports_of_the_same_sessions_do_not_deadlock(world: StoreWorld, ann: User) -> None:
    sessions = [world.open(ann) for _ in range(20)]
    for session in sessions:
        world.stores.sessions.try_rotate(session.sid, ann.id, 0, NOW + 99)
    forwards = [(session.sid, 1) for session in sessions]
    report = world.stores.sessions.raise_seen_generations
    world.in_parallel(*[partial(report, forwards), partial(report, forwards[::-1])] * (THREADS // 2))
    assert {world.row(session).seen_generation for session in sessions} == {1}
