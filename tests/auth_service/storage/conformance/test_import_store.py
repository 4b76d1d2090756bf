"""Every import store stores a batch in one transaction, and nobody twice."""

from contextlib import suppress
from dataclasses import replace
from uuid import UUID, uuid4

from sqlalchemy import select

from auth_service.accounts.email_addresses import email_key
from auth_service.accounts.store import EmailTaken
from auth_service.accounts.user import AccountStatus
from auth_service.importing.imported_user import ImportedUser, derived_id
from auth_service.importing.source_row import BlacklistedToken
from auth_service.storage.models import UserRow, db
from tests.auth_service.storage.conformance.conftest import NOW, StoreWorld


def imported_user(number: int, email: str = "", user_id: UUID | None = None) -> ImportedUser:
    """Return a checked user."""
    address = email or f"user{number}@example.org"
    return ImportedUser(
        row=number,
        key=str(number),
        user_id=user_id or derived_id("django", str(number)),
        email=address,
        email_key=email_key(address),
        password_hash="hash",
        first_name="Ann",
        last_name="Lee",
        roles="staff",
        status=AccountStatus.UNVERIFIED,
        created_at=NOW - 100,
        last_login_at=NOW - 50,
        email_verified_at=None,
        language="fr",
    )


def ids(world: StoreWorld) -> list[UUID]:
    """Return the ids of the stored users."""
    db.session.rollback()
    return list(db.session.scalars(select(UserRow.id)))


def test_a_batch_is_stored_with_its_fields(world: StoreWorld) -> None:
    result = world.stores.imports.import_batch("django", [imported_user(1), imported_user(2)], NOW, is_dry_run=False)

    assert [user.key for user in result.new] == ["1", "2"]
    found = world.stores.users.find_by_email("User1@example.org")
    assert found is not None
    assert (found.id, found.roles, found.status) == (derived_id("django", "1"), "staff", AccountStatus.UNVERIFIED)
    assert (found.password_changed_at, found.language, found.email_verified_at) == (NOW - 100, "fr", None)


def test_the_same_batch_again_changes_nothing(world: StoreWorld) -> None:
    users = [imported_user(1), imported_user(2)]
    world.stores.imports.import_batch("django", users, NOW, is_dry_run=False)

    result = world.stores.imports.import_batch("django", [*users, imported_user(3)], NOW, is_dry_run=False)

    assert ([user.key for user in result.unchanged], [user.key for user in result.new]) == (["1", "2"], ["3"])
    assert len(ids(world)) == 3


def test_the_same_key_of_another_source_is_another_user(world: StoreWorld) -> None:
    world.stores.imports.import_batch("django", [imported_user(1)], NOW, is_dry_run=False)
    other = imported_user(1, "other@example.org", derived_id("shop", "1"))

    assert world.stores.imports.import_batch("shop", [other], NOW, is_dry_run=False).new == [other]


def test_conflicts_are_returned_and_the_others_stored(world: StoreWorld) -> None:
    world.register("taken@example.org")
    kept, same_mailbox = imported_user(1), imported_user(2, "USER1@example.org")
    taken, same_id = imported_user(3, "Taken@example.org"), imported_user(4, user_id=ids(world)[0])
    same_key = replace(imported_user(1, "else@example.org"), row=5)

    result = world.stores.imports.import_batch(
        "django", [kept, same_mailbox, taken, same_id, same_key], NOW, is_dry_run=False
    )

    assert result.new == [kept]
    assert [(conflict.user.row, conflict.field) for conflict in result.conflicts] == [
        (2, "email"),
        (3, "email"),
        (4, "id"),
        (5, "id"),
    ]


def test_a_dry_run_stores_nothing(world: StoreWorld) -> None:
    result = world.stores.imports.import_batch("django", [imported_user(1)], NOW, is_dry_run=True)

    assert len(result.new) == 1
    assert ids(world) == []


def test_parallel_imports_and_registrations_store_each_mailbox_once(world: StoreWorld) -> None:
    users = [imported_user(number) for number in range(30)]

    def imports() -> int:
        batches = [users[start : start + 10] for start in range(0, 30, 10)]
        store = world.stores.imports
        return sum(len(store.import_batch("django", batch, NOW, is_dry_run=False).new) for batch in batches)

    def registers() -> int:
        for number in range(0, 30, 3):
            if not world.stores.users.is_email_taken(f"user{number}@example.org"):
                with suppress(EmailTaken):
                    world.register(f"user{number}@example.org")
        return 0

    stored = sum(world.in_parallel(imports, imports, imports, registers))

    assert len(ids(world)) == 30
    assert stored <= 30


def test_blacklisted_tokens_are_stored_once(world: StoreWorld) -> None:
    tokens = [BlacklistedToken("a", NOW), BlacklistedToken("b", NOW)]

    assert world.stores.imports.add_blacklisted_tokens(tokens) == 2
    assert world.stores.imports.add_blacklisted_tokens([*tokens, BlacklistedToken("c", NOW)]) == 1


def test_the_export_has_every_user_and_its_source(world: StoreWorld) -> None:
    world.stores.imports.import_batch("django", [imported_user(number) for number in range(3)], NOW, is_dry_run=False)
    own = world.register("own@example.org")

    exported = {user.email: user for user in world.stores.imports.exported_users()}

    assert len(exported) == 4
    assert exported["user1@example.org"].imported_from == [("django", "1")]
    assert exported["own@example.org"].user_id == str(own.id)
    assert list(exported["own@example.org"].imported_from) == []


def test_the_export_pages_through_many_users(world: StoreWorld) -> None:
    users = [imported_user(number, user_id=uuid4()) for number in range(2_500)]
    world.stores.imports.import_batch("django", users, NOW, is_dry_run=False)

    exported = [user.user_id for user in world.stores.imports.exported_users()]

    assert sorted(exported) == sorted(str(user.user_id) for user in users)
