"""Promises of every user directory."""

from uuid import uuid4

from auth_service.accounts.directory import Account, AccountFilter
from auth_service.accounts.user import AccountStatus, NewUser
from tests.auth_service.storage.conformance.conftest import NOW, StoreWorld

ALL = AccountFilter()


def test_a_user_is_found_with_the_times_of_registration_and_log_in(world: StoreWorld) -> None:
    ann = world.register()
    directory = world.stores.directory
    assert directory.find(ann.id) == Account(ann, NOW, None)
    world.open(ann, NOW + 9)
    assert directory.find(ann.id) == Account(ann, NOW, NOW + 9)
    assert directory.find(uuid4()) is None


def test_users_are_selected_by_text_role_and_status(world: StoreWorld) -> None:
    users, directory = world.stores.users, world.stores.directory
    ann = users.register(NewUser("ann@example.org", "hash", roles="beta staff"), NOW)
    bob = users.register(NewUser("bob@example.org", "hash", roles="Staff staffer beta-staff"), NOW + 1)
    eve = users.register(NewUser("eve@example.org", "hash", status=AccountStatus.UNVERIFIED), NOW + 2)

    def found(wanted: AccountFilter) -> list[object]:
        page = [account.user for account in directory.page(wanted, offset=0, limit=9)]
        assert directory.count(wanted) == len(page)
        return list(page)

    assert found(ALL) == [ann, bob, eve]
    assert found(AccountFilter(role="staff")) == [ann]
    assert found(AccountFilter(role="Staff")) == [bob]
    assert found(AccountFilter(role="%")) == []
    assert found(AccountFilter(status=AccountStatus.UNVERIFIED)) == [eve]
    assert found(AccountFilter(search="BOB", role="staffer", status=AccountStatus.ACTIVE)) == [bob]
    assert found(AccountFilter(search="bob", role="staff")) == []


def test_users_are_listed_in_pages_in_the_order_of_registration(world: StoreWorld) -> None:
    for number in range(5):
        world.stores.users.register(NewUser(f"user{number}@example.org", "hash"), NOW + number)
    page = world.stores.directory.page(ALL, offset=1, limit=3)
    assert [account.user.email[:5] for account in page] == ["user1", "user2", "user3"]
