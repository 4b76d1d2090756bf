"""Migrations keep what is stored, on every database."""

from uuid import uuid4

from sqlalchemy import Uuid, column, insert, table, text

from auth_service.accounts.user import AccountStatus
from auth_service.storage.models import db
from auth_service.storage.schema import downgrade, install_migrations, upgrade
from tests.auth_service.storage.conformance.conftest import NOW, StoreWorld


def test_a_user_stays_active_or_deactivated_when_the_status_is_introduced(world: StoreWorld) -> None:
    """And when the migration is undone and repeated."""
    install_migrations(world.app)
    ids = {True: uuid4(), False: uuid4()}
    db.session.close()
    downgrade(revision="0004")
    for is_active, user_id in ids.items():
        row = {
            "id": user_id,
            "email": f"{is_active}@example.org",
            "email_folded": f"{is_active}@example.org",
            "password_hash": "hash",
            "first_name": "",
            "last_name": "",
            "roles": "",
            "is_active": is_active,
            "created_at": NOW,
            "password_changed_at": NOW + 5,
        }
        users = table("users", column("id", Uuid()), *(column(name) for name in row if name != "id"))
        db.session.execute(insert(users).values(row))
    db.session.commit()
    upgrade()
    for is_active, user_id in ids.items():
        user = world.stores.users.find(user_id)
        assert user
        assert user.status is (AccountStatus.ACTIVE if is_active else AccountStatus.BARRED)
        assert (user.email_changed_at, user.email_verified_at, user.language) == (NOW, None, "")
    db.session.close()
    downgrade(revision="0004")
    active = db.session.execute(text("SELECT email FROM users WHERE is_active")).scalars().all()
    db.session.commit()
    upgrade()
    assert active == ["True@example.org"]
