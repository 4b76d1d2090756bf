"""Promises of every user store about the links in mails: activation, a new password, another address."""

from dataclasses import replace
from functools import partial

import pytest

from auth_service.accounts.store import EmailTaken
from auth_service.accounts.user import AccountStatus, User
from auth_service.events.account_events import (
    ActivationReason,
    EmailChanged,
    PasswordReset,
    SessionEnded,
    UserActivated,
)
from tests.auth_service.storage.conformance.conftest import BROWSER, NOW, THREADS, StoreWorld

NEW = "new@example.org"


@pytest.fixture
def unverified(world: StoreWorld) -> User:
    """A registered user who has to verify the address."""
    return world.register(status=AccountStatus.UNVERIFIED)


def found(world: StoreWorld, user: User) -> User:
    """Return the stored user."""
    stored = world.stores.users.find(user.id)
    assert stored
    return stored


def test_an_unverified_user_cannot_log_in_until_activated(world: StoreWorld, unverified: User) -> None:
    assert not unverified.is_active
    with pytest.raises(AssertionError):
        world.open(unverified)
    world.dispatched.clear()
    assert world.stores.users.activate_verified(unverified, NOW + 5)
    activated = found(world, unverified)
    assert activated == replace(unverified, status=AccountStatus.ACTIVE, email_verified_at=NOW + 5)
    assert world.dispatched == [
        UserActivated(NOW + 5, unverified.id, BROWSER, ActivationReason.EMAIL_VERIFIED, unverified.email)
    ]
    assert world.records(unverified.id) == [("activated", None, {"reason": "e-mail address verified"})]
    world.open(activated)


def test_of_parallel_activations_exactly_one_succeeds(world: StoreWorld, unverified: User) -> None:
    activate = partial(world.stores.users.activate_verified, unverified, NOW + 5)
    assert world.in_parallel(*[activate] * THREADS).count(True) == 1
    assert len(world.records(unverified.id)) == 1


def test_a_link_does_not_lift_a_deactivation(world: StoreWorld, unverified: User) -> None:
    """Whether the user was read before the deactivation or after it."""
    users = world.stores.users
    users.deactivate(unverified, NOW + 1)
    for user in (unverified, found(world, unverified)):
        assert not users.activate_verified(user, NOW + 5)
        assert not users.reset_password(user, "new hash", NOW + 5)
        assert not users.change_email(user, NEW, NOW + 5, keep=None)
    assert found(world, unverified) == replace(unverified, status=AccountStatus.BARRED)


def test_an_active_user_is_not_activated_again(world: StoreWorld, ann: User) -> None:
    assert not world.stores.users.activate_verified(ann, NOW + 5)
    assert found(world, ann) == ann


def test_a_password_reset_ends_every_session_and_verifies_the_address(world: StoreWorld, ann: User) -> None:
    session = world.open(ann)
    world.dispatched.clear()
    assert world.stores.users.reset_password(ann, "new hash", NOW + 5)
    changed = replace(ann, password_hash="new hash", password_changed_at=NOW + 5, email_verified_at=NOW + 5)
    assert found(world, ann) == changed
    assert world.row(session).revoked_at == NOW + 5
    assert world.dispatched[0] == PasswordReset(NOW + 5, ann.id, BROWSER, ann.email)
    assert [type(event) for event in world.dispatched] == [PasswordReset, SessionEnded]
    assert world.records(ann.id)[1:] == [
        ("password_reset", None, {}),
        ("session_revoked", session.sid, {"reason": "password reset"}),
    ]
    assert world.stores.users.reset_password(changed, "third", NOW + 9)
    assert found(world, ann).email_verified_at == NOW + 5, "the first verification counts"


def test_a_password_reset_activates_an_unverified_user(world: StoreWorld, unverified: User) -> None:
    world.dispatched.clear()
    assert world.stores.users.reset_password(unverified, "new hash", NOW + 5)
    assert found(world, unverified).is_active
    assert [type(event) for event in world.dispatched] == [PasswordReset, UserActivated]
    assert [name for name, *_ in world.records(unverified.id)] == ["password_reset", "activated"]


def test_of_parallel_password_resets_exactly_one_succeeds(world: StoreWorld, ann: User) -> None:
    resets = [partial(world.stores.users.reset_password, ann, f"hash {number}", NOW + 1) for number in range(THREADS)]
    results = world.in_parallel(*resets)
    assert results.count(True) == 1
    assert found(world, ann).password_hash == f"hash {results.index(True)}"


def test_each_change_has_a_later_time_than_the_one_before(world: StoreWorld, ann: User) -> None:
    """Also if the clock was set back, so that tokens from before the change stay invalid."""
    users = world.stores.users
    assert users.change_password(ann, "second", NOW - 100, keep=None)
    second = found(world, ann)
    assert users.reset_password(second, "third", NOW - 100)
    third = found(world, ann)
    assert users.change_email(third, NEW, NOW - 100, keep=None)
    assert ann.password_changed_at < second.password_changed_at < third.password_changed_at
    assert found(world, ann).email_changed_at > ann.email_changed_at


def test_another_address_ends_the_other_sessions_and_is_not_verified(world: StoreWorld, ann: User) -> None:
    users = world.stores.users
    assert users.reset_password(ann, "hash", NOW + 1)
    verified = found(world, ann)
    kept, other = world.open(verified), world.open(verified)
    world.dispatched.clear()
    assert users.change_email(verified, "New@Example.org", NOW + 5, keep=kept.sid)
    changed = replace(verified, email="New@Example.org", email_changed_at=NOW + 5, email_verified_at=None)
    assert users.find_by_email(NEW) == changed
    assert users.find_by_email(ann.email) is None
    assert world.dispatched[0] == EmailChanged(NOW + 5, ann.id, BROWSER, kept.sid, ann.email, "New@Example.org")
    assert world.records(ann.id)[-2:] == [
        ("email_changed", kept.sid, {}),
        ("session_revoked", other.sid, {"reason": "e-mail address changed"}),
    ]
    assert world.row(kept).revoked_at is None


def test_the_address_of_another_user_is_refused(world: StoreWorld, ann: User) -> None:
    users = world.stores.users
    world.register(NEW)
    session = world.open(ann)
    world.dispatched.clear()
    with pytest.raises(EmailTaken):
        users.change_email(ann, "NEW@Example.org", NOW + 5, keep=None)
    assert found(world, ann) == ann
    assert world.row(session).revoked_at is None
    assert world.dispatched == []


def test_another_spelling_of_the_own_address_is_stored(world: StoreWorld, ann: User) -> None:
    assert world.stores.users.change_email(ann, "ANN@Example.org", NOW + 5, keep=None)
    assert found(world, ann).email == "ANN@Example.org"


def test_of_parallel_changes_to_one_address_exactly_one_succeeds(world: StoreWorld) -> None:
    everybody = [world.register(f"user{number}@example.org") for number in range(THREADS)]

    def change(user: User) -> bool:
        try:
            return world.stores.users.change_email(user, NEW, NOW + 1, keep=None)
        except EmailTaken:
            return False

    results = world.in_parallel(*(partial(change, user) for user in everybody))
    assert results.count(True) == 1
    moved = world.stores.users.find_by_email(NEW)
    assert moved
    assert moved.id == everybody[results.index(True)].id


def test_a_change_that_is_based_on_an_older_state_is_refused(world: StoreWorld, ann: User) -> None:
    users = world.stores.users
    assert users.change_email(ann, NEW, NOW + 1, keep=None)
    assert not users.change_email(ann, "third@example.org", NOW + 2, keep=None)
    assert not users.reset_password(ann, "new hash", NOW + 2)
    assert not users.change_password(ann, "new hash", NOW + 2, keep=None)
    assert found(world, ann).email == NEW
