"""Promises of every user store."""

from dataclasses import replace
from uuid import uuid4

import pytest

from auth_service.accounts.store import EmailTaken, LastStaffUser
from auth_service.accounts.user import AccountStatus, NewUser, User
from auth_service.events.account_events import (
    ActivationReason,
    EndReason,
    Event,
    PasswordChanged,
    RolesChanged,
    SessionEnded,
    UserActivated,
    UserDeactivated,
    UserDeleted,
    UserInvited,
    UserRegistered,
)
from tests.auth_service.storage.conformance.conftest import BROWSER, NOW, StoreWorld

UNVERIFIED = AccountStatus.UNVERIFIED


def kinds(events: list[Event]) -> list[str]:
    """Return the class name of each event; for SessionEnded the reason."""
    return [event.reason.value if isinstance(event, SessionEnded) else type(event).__name__ for event in events]


def test_a_registered_user_is_found(world: StoreWorld) -> None:
    users = world.stores.users
    new_user = NewUser("Ann@Example.org", "hash", "Ann", "Lee", "staff beta", UNVERIFIED, "fr")
    ann = users.register(new_user, NOW)
    assert ann == User(
        ann.id, "Ann@Example.org", "Ann", "Lee", "staff beta", UNVERIFIED, "hash", NOW, NOW, None, "fr"
    )
    assert users.find(ann.id) == ann
    assert users.find(uuid4()) is None
    assert ann.is_staff
    assert world.dispatched == [
        UserRegistered(NOW, ann.id, BROWSER, "Ann@Example.org", True, "Ann", "Lee", "staff beta")
    ]
    assert [entry.event for entry in world.stores.audit.page(ann.id, offset=0, limit=9)] == ["registered"]


def test_a_mailbox_is_registered_once_however_it_is_spelled(world: StoreWorld, ann: User) -> None:
    users = world.stores.users
    assert users.find_by_email("ANN@example.ORG") == ann
    assert users.is_email_taken('"ann"@EXAMPLE.org')
    with pytest.raises(EmailTaken):
        world.register("aNN@example.org")
    assert users.count(None) == 1
    assert users.find_by_email("bob@example.org") is None
    assert not users.is_email_taken("bob@example.org")


def test_each_name_can_be_changed_alone(world: StoreWorld, ann: User) -> None:
    users = world.stores.users
    assert users.rename(ann.id, {"first_name": "Ann"}, NOW) == replace(ann, first_name="Ann")
    assert users.rename(ann.id, {"last_name": "Lee"}, NOW) == replace(ann, first_name="Ann", last_name="Lee")
    assert users.rename(ann.id, {}, NOW) == users.find(ann.id)
    assert users.rename(uuid4(), {"first_name": "Nobody"}, NOW) is None


def test_a_password_change_ends_the_other_sessions(world: StoreWorld, ann: User) -> None:
    kept, other = world.open(ann), world.open(ann)
    world.dispatched.clear()
    assert world.stores.users.change_password(ann, "new hash", NOW + 5, keep=kept.sid)
    found = world.stores.users.find(ann.id)
    assert found == replace(ann, password_hash="new hash", password_changed_at=NOW + 5)
    assert world.dispatched[0] == PasswordChanged(NOW + 5, ann.id, BROWSER, kept.sid, ann.email)
    assert kinds(world.dispatched) == ["PasswordChanged", "password changed"]
    assert world.records(ann.id)[2:] == [
        ("password_changed", kept.sid, {}),
        ("session_revoked", other.sid, {"reason": "password changed"}),
    ]


def test_a_password_change_is_refused_if_the_user_has_changed_since(world: StoreWorld, ann: User) -> None:
    """Of two changes of the same password the second one is refused, and so is that of a deactivated user."""
    users = world.stores.users
    session = world.open(ann)
    assert users.change_password(ann, "first", NOW + 1, keep=session.sid)
    world.dispatched.clear()
    assert not users.change_password(ann, "second", NOW + 2, keep=None)
    current = users.find(ann.id)
    assert current
    assert current.password_hash == "first"
    assert world.row(session).revoked_at is None
    assert world.dispatched == []
    users.deactivate(current, NOW + 3)
    assert not users.change_password(current, "third", NOW + 4, keep=None)


def test_new_roles_end_every_session(world: StoreWorld, ann: User) -> None:
    session = world.open(ann)
    world.dispatched.clear()
    assert world.stores.users.set_roles(ann, ["staff", "beta"], NOW + 5) == 1
    assert world.stores.users.find(ann.id) == replace(ann, roles="staff beta")
    assert world.dispatched[0] == RolesChanged(NOW + 5, ann.id, BROWSER, "staff beta", "")
    assert kinds(world.dispatched) == ["RolesChanged", "roles changed"]
    assert world.records(ann.id)[1:] == [
        ("roles_changed", None, {"roles": "staff beta", "former_roles": ""}),
        ("session_revoked", session.sid, {"reason": "roles changed"}),
    ]


def test_new_roles_are_recorded_for_a_user_without_sessions(world: StoreWorld, ann: User) -> None:
    assert world.stores.users.set_roles(ann, ["beta"], NOW + 5) == 0
    assert world.records(ann.id) == [("roles_changed", None, {"roles": "beta", "former_roles": ""})]


def test_roles_that_have_changed_since_the_user_was_read_are_not_overwritten(world: StoreWorld, ann: User) -> None:
    users = world.stores.users
    assert users.set_roles(ann, ["beta"], NOW + 5) == 0
    world.dispatched.clear()
    assert users.set_roles(ann, ["gamma"], NOW + 6) is None
    assert users.find(ann.id) == replace(ann, roles="beta")
    assert world.dispatched == []


def test_the_last_active_staff_user_stays_with_keep_staff(world: StoreWorld) -> None:
    users = world.stores.users
    ann = users.register(NewUser("ann@example.org", "hash", roles="beta staff"), NOW)
    users.register(NewUser("bob@example.org", "hash", roles="staff", status=UNVERIFIED), NOW)
    users.register(NewUser("eve@example.org", "hash", roles="Staff staffer non-staff"), NOW)
    with pytest.raises(LastStaffUser):
        users.set_roles(ann, ["beta"], NOW + 1, keep_staff=True)
    with pytest.raises(LastStaffUser):
        users.deactivate(ann, NOW + 1, keep_staff=True)
    with pytest.raises(LastStaffUser):
        users.delete(ann, NOW + 1, keep_staff=True)
    assert users.find(ann.id) == ann
    assert world.records(ann.id) == []
    users.register(NewUser("dan@example.org", "hash", roles="staff"), NOW)
    assert users.deactivate(ann, NOW + 2, keep_staff=True) == 0
    users.deactivate(ann, NOW + 3)
    assert users.delete(ann, NOW + 4, keep_staff=True) == 0
    assert users.find(ann.id) is None


def test_an_invited_user_becomes_active_with_the_first_password(world: StoreWorld) -> None:
    users = world.stores.users
    invited = users.register(NewUser("ann@example.org", "", roles="beta", status=UNVERIFIED, is_invited=True), NOW)
    assert world.dispatched == [UserInvited(NOW, invited.id, BROWSER, invited.email, "beta")]
    world.dispatched.clear()
    assert users.accept_invitation(invited, "hash", NOW + 5)
    found = users.find(invited.id)
    assert found == replace(
        invited,
        password_hash="hash",
        status=AccountStatus.ACTIVE,
        password_changed_at=NOW + 5,
        email_verified_at=NOW + 5,
    )
    accepted = UserActivated(NOW + 5, invited.id, BROWSER, ActivationReason.INVITATION_ACCEPTED, invited.email)
    assert world.dispatched == [accepted]
    assert not users.accept_invitation(invited, "other", NOW + 6)
    assert world.records(invited.id) == [
        ("invited", None, {"roles": "beta"}),
        ("activated", None, {"reason": "invitation accepted"}),
    ]


def test_a_deactivation_ends_every_session_and_can_be_undone(world: StoreWorld, ann: User) -> None:
    users = world.stores.users
    world.open(ann)
    world.open(ann)
    world.dispatched.clear()
    assert users.deactivate(ann, NOW + 5) == 2
    assert users.find(ann.id) == replace(ann, status=AccountStatus.BARRED)
    assert world.dispatched[0] == UserDeactivated(NOW + 5, ann.id, BROWSER)
    assert users.deactivate(ann, NOW + 5) == 0
    assert kinds(world.dispatched) == ["UserDeactivated", "user deactivated", "user deactivated"]
    world.dispatched.clear()
    users.activate(ann, NOW + 6)
    users.activate(ann, NOW + 7)
    assert users.find(ann.id) == ann
    assert world.dispatched == [UserActivated(NOW + 6, ann.id, BROWSER, ActivationReason.BY_OPERATOR, ann.email)]
    assert world.records(ann.id)[-1] == ("activated", None, {"reason": "activated by an operator"})


def test_a_deletion_ends_every_session_and_happens_once(world: StoreWorld, ann: User) -> None:
    users = world.stores.users
    session = world.open(ann)
    world.dispatched.clear()
    assert users.delete(ann, NOW + 5) == 1
    assert users.delete(ann, NOW + 6) == 0
    assert users.find(ann.id) is None
    assert world.dispatched == [
        UserDeleted(NOW + 5, ann.id, BROWSER),
        SessionEnded(
            NOW + 5,
            ann.id,
            BROWSER,
            session.sid,
            EndReason.USER_DELETED,
            session.state.expires_at,
            session.state.access_expires_at,
        ),
    ]
    assert world.register().id != ann.id, "the mailbox is free again"


def test_a_search_finds_a_part_of_an_address_or_of_a_name_in_any_case(world: StoreWorld) -> None:
    users = world.stores.users
    ann = users.register(NewUser("ann.lee@example.org", "hash", "Ann", "Lee"), NOW)
    bob = users.register(NewUser("bob_100%@b\u00fccher.example", "hash", "Bob", "Annan"), NOW + 1)
    assert users.page(None, search="ANN") == [ann, bob]
    assert users.page(None, search="ANN", offset=1, limit=1) == [bob]
    assert users.count(None, search="ANN") == 2
    assert users.page(ann.id, search="ann") == [ann]
    for text, found in {"lee@": [ann], "annAN": [bob], "xn--bcher": [bob], "\u00fccher": [bob]}.items():
        assert users.page(None, search=text) == found
    for text in ("b_b", "%", "_"):  # wildcards of LIKE are searched as they are
        assert users.page(None, search=text) == ([] if text == "b_b" else [bob])
    assert users.page(None, search="nobody") == []
    assert users.count(None, search="nobody") == 0


def test_users_are_listed_in_the_order_of_registration(world: StoreWorld) -> None:
    users = world.stores.users
    everybody = [
        users.register(NewUser(f"{name}@example.org", "hash"), NOW + number)
        for number, name in enumerate(("c", "a", "b"))
    ]
    assert users.page(None) == everybody
    assert users.page(None, offset=1, limit=1) == everybody[1:2]
    assert users.page(everybody[2].id) == everybody[2:]
    assert (users.count(None), users.count(everybody[0].id), users.count(uuid4())) == (3, 1, 0)
