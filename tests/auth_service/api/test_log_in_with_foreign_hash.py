"""A user whose hash came from another system logs in, and then has an argon2id hash."""

import pytest
from flask import Flask
from sqlalchemy import select, update

from auth_service.accounts.foreign_hashes.flask_security import PREFIX
from auth_service.storage.models import UserRow, db
from tests.auth_service.accounts.foreign_hashes.recorded import FLASK_SECURITY_SALT, RecordedHash, recorded_hashes
from tests.auth_service.conftest import MakeApp
from tests.auth_service.world import Person

FIRST_OF_EACH = {(each.system, each.kind): each for each in reversed(recorded_hashes())}


def stored_hash(app: Flask) -> str:
    """Return the hash of the only user."""
    with app.app_context():
        return db.session.scalars(select(UserRow.password_hash)).one()


def new_person(app: Flask, stored: str) -> Person:
    """Return a user with this hash."""
    person = Person(app.test_client())
    person.register()
    with app.app_context():
        db.session.execute(update(UserRow).values(password_hash=stored))
        db.session.commit()
    return person


def test_a_wrong_password_is_refused_and_keeps_the_foreign_hash(app: Flask) -> None:
    recorded = FIRST_OF_EACH["passlib", "bcrypt"]
    person = new_person(app, recorded.stored)
    person.password = recorded.password + "x"
    assert person.log_in().status_code == 401
    assert stored_hash(app) == recorded.stored


@pytest.mark.parametrize("recorded", FIRST_OF_EACH.values(), ids=str)
def test_a_log_in_replaces_the_foreign_hash(make_app: MakeApp, recorded: RecordedHash) -> None:
    app = make_app(FLASK_SECURITY_PASSWORD_SALT=FLASK_SECURITY_SALT)
    person = new_person(
        app, recorded.stored.removeprefix("argon2") if "argon2$" in recorded.stored else recorded.stored
    )
    before = stored_hash(app)

    person.password = recorded.password
    assert person.log_in().status_code == 200

    assert stored_hash(app) != before
    assert stored_hash(app).startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert person.log_in().status_code == 200
    assert person.me().status_code == 200


@pytest.mark.parametrize("stored", ["", "!unusable", "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99", PREFIX + "x"])
def test_an_account_without_a_usable_hash_is_refused_like_a_wrong_password(app: Flask, stored: str) -> None:
    person = new_person(app, stored)

    response = person.log_in()

    assert response.status_code == 401
    assert response.json == {"detail": "No active account found with the given credentials"}
    assert stored_hash(app) == stored


def test_a_signer_key_that_is_not_base64_stops_the_start(make_app: MakeApp) -> None:
    with pytest.raises(Exception, match="FIREBASE_SIGNER_KEY must be base64"):
        make_app(FIREBASE_SIGNER_KEY="not base64!")
