"""E-mail addresses: which ones are accepted, and which spellings are one mailbox."""

import json
from pathlib import Path
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Uuid, column, delete, insert, select, table

from auth_service.accounts.email_addresses import email_key, is_email
from auth_service.api.models.base import NewEmail
from auth_service.storage.models import UserRow, db
from auth_service.storage.schema import downgrade, install_migrations, upgrade
from tests.auth_service.conftest import MakeApp
from tests.auth_service.world import PASSWORD, Person

ACCEPTED_BY_REST_FRAMEWORK: dict[str, bool] = json.loads(
    Path(__file__).with_name("data").joinpath("emails_of_rest_framework.json").read_text(encoding="ascii")
)
"""Addresses, each with whether EmailField(max_length=254) of Django REST framework 3.18 and Django 5.2 accepts it."""

FOLDED_TO_ASCII = "\u212a\u017f\u0131\u0130"
"""Letters of other alphabets that case folding maps to ASCII letters."""
INVISIBLE = "\u200b\u200d\u202e\u00ad\x01\x7f"
"""Zero-width space and joiner, right-to-left override, soft hyphen, and two control characters."""

INVALID_DOMAINS = ("@\u2603.example", "@1\u05d0.example", "@xn--zzzzzz.example", "@\uff20x.org")
"""Domains that IDNA 2008 does not allow."""


def is_accepted(text: str) -> bool:
    try:
        TypeAdapter(NewEmail).validate_python(text)
    except ValidationError:
        return False
    return True


def test_an_address_that_rest_framework_refuses_is_refused() -> None:
    accepted = [text for text, there in ACCEPTED_BY_REST_FRAMEWORK.items() if not there and is_accepted(text)]
    assert accepted == []


def test_an_address_that_rest_framework_accepts_is_accepted_with_listed_exceptions() -> None:
    """The exceptions are letters that case folding maps to ASCII, invisible characters and invalid domains."""
    refused = [text for text, there in ACCEPTED_BY_REST_FRAMEWORK.items() if there and not is_accepted(text)]
    unexplained = [
        text
        for text in refused
        if not (set(text) & set(FOLDED_TO_ASCII + INVISIBLE) or text.lower().endswith(INVALID_DOMAINS))
    ]
    assert unexplained == []
    assert sum(ACCEPTED_BY_REST_FRAMEWORK.values()) > 2 * len(refused), "most addresses are no exception"


@pytest.mark.parametrize(
    "spellings",
    [
        # An A-label, upper case, and ü as u with a combining mark.
        ("u@b\u00fccher.example", "u@xn--bcher-kva.example", "U@B\u00dcCHER.EXAMPLE", "u@bu\u0308cher.example"),
        ("u@b\u00fccher.example", "u@XN--BCHER-KVA.example"),
        # RFC 5321 4.1.2: quotes and backslashes that are not needed are not part of the name.
        ("Ann@Example.org", "ann@example.ORG", '"ann"@example.org', '"a\\nn"@example.org'),
        ("ann@example.org", "ann@\uff45xample.org"),  # UTS 46 maps the full-width letter
        ("ann@[2001:DB8::1]", "ann@[2001:db8:0:0::1]"),
        ('"a b"@example.org', '"A\\ b"@example.org'),
    ],
)
def test_one_mailbox_has_one_key(spellings: tuple[str, ...]) -> None:
    assert len({email_key(spelling) for spelling in spellings}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("u@stra\u00dfe.example", "u@strasse.example"),
        ("u@b\u00fccher.example", "u@bucher.example"),
        ("u@\u0430pple.example", "u@apple.example"),  # a Cyrillic letter
        ("a.b@example.org", "ab@example.org"),
        ("a+b@example.org", "a@example.org"),
        ('"a b"@example.org', '"ab"@example.org'),
        ("ann@localhost", "ann@localhost.local"),
        ("ann\uff20example.org", "ann@example.org"),  # a full-width @ is no @
    ],
)
def test_two_mailboxes_have_two_keys(one: str, other: str) -> None:
    assert email_key(one) != email_key(other)


@given(st.text(max_size=60) | st.from_regex(r"[^@]{0,10}@(xn--|\[)?[^@]{0,20}\]?", fullmatch=True))
def test_every_text_has_a_key(text: str) -> None:
    """The key is needed for a log-in too, in which the address may be any text."""
    assert isinstance(email_key(text), str)
    assert isinstance(is_email(text), bool)


def test_another_spelling_of_a_mailbox_logs_in_and_cannot_register(client: FlaskClient) -> None:
    assert Person(client, "u@b\u00fccher.example").register().status_code == 201
    taken = Person(client, "u@XN--bcher-kva.example").register()
    assert (taken.status_code, taken.json) == (400, {"email": ["user with this email already exists."]})
    assert Person(client, "u@xn--bcher-kva.example").log_in().status_code == 200
    assert Person(client, "u@stra\u00dfe.example").register().status_code == 201
    assert Person(client, "u@strasse.example").register().status_code == 201


FORMER_ACCOUNTS = [
    # first name, e-mail address as it was entered, key in the former version
    ("first", "u@b\u00fccher.example", "u@b\u00fccher.example"),
    ("second", "u@xn--bcher-kva.example", "u@xn--bcher-kva.example"),
    ("third", "v@stra\u00dfe.example", "v@strasse.example"),
    ("fourth", "Ann@Example.org", "ann@example.org"),
    ("fifth", "w@XN--STRAE-OQA.example", "w@xn--strae-oqa.example"),
]


def test_a_migration_gives_no_account_to_another_user(make_app: MakeApp) -> None:
    """Of two accounts with one mailbox, each is found by its former spellings, and one by all other spellings."""
    app = make_app()
    with app.app_context():
        stored = Person(app.test_client())
        assert stored.register().status_code == 201
        password_hash = db.session.scalars(select(UserRow.password_hash)).one()
        install_migrations(app)
        downgrade(revision="0003")  # 0004 computes the keys again
        db.session.execute(delete(UserRow))
        for created_at, (name, email, key) in enumerate(FORMER_ACCOUNTS):
            row = _row(created_at, name, email, key, password_hash)
            users = table("users", column("id", Uuid()), *(column(name) for name in row if name != "id"))
            db.session.execute(insert(users).values(row))
        db.session.commit()
        upgrade()
    assert_log_in_finds(app, "u@b\u00fccher.example", "first")
    assert_log_in_finds(app, "u@B\u00dcCHER.example", "first")
    assert_log_in_finds(app, "u@bu\u0308cher.example", "first")
    assert_log_in_finds(app, "\uff55@b\u00fccher.example", "first")
    assert_log_in_finds(app, "u@xn--bcher-kva.example", "second")
    assert_log_in_finds(app, "v@stra\u00dfe.example", "third")
    assert_log_in_finds(app, "v@xn--strae-oqa.example", "third")
    assert_log_in_finds(app, "ann@example.org", "fourth")
    assert_log_in_finds(app, "w@stra\u00dfe.example", "fifth")
    assert Person(app.test_client(), "v@strasse.example").register().status_code == 201


def _row(created_at: int, name: str, email: str, key: str, password_hash: str) -> dict[str, object]:
    """Return a row of the table of users as it was in the former version."""
    return {
        "id": uuid4(),
        "email": email,
        "email_folded": key,
        "password_hash": password_hash,
        "first_name": name,
        "last_name": "",
        "roles": "",
        "is_active": True,
        "created_at": float(created_at),
        "password_changed_at": 0.0,
    }


def assert_log_in_finds(app: Flask, email: str, name: str) -> None:
    """Check that a log-in with `email` finds the account with this first name."""
    person = Person(app.test_client(), email, PASSWORD)
    assert person.log_in().status_code == 200
    answer = person.me().json
    assert answer is not None
    assert answer["first_name"] == name
