"""POST /auth/jwt/create/: who gets in, and what comes out."""

import re
from collections.abc import Callable
from typing import Any, cast

import pytest
from flask import Flask
from nacl.pwhash import argon2id
from sqlalchemy import QueuePool, update

from auth_service.accounts.passwords import HashingBusy
from auth_service.accounts.user import DUMMY_USER
from auth_service.events.client import Client
from auth_service.services import Services, services
from auth_service.sessions.store import Session, new_session
from auth_service.storage.models import UserRow, db
from auth_service.tokens.issuer import Issuer, TokenUser
from contract.claims import read_access_claims
from tests.auth_service.conftest import MakeApp
from tests.auth_service.forge import claims_of, header_of
from tests.auth_service.world import PASSWORD, Operator, Person
from tests.clocks import MovableClock

REFUSED = {"detail": "No active account found with the given credentials"}


def test_the_access_token_says_what_the_gateway_expects(ann: Person, clock: MovableClock, parts: Services) -> None:
    claims = claims_of(ann.access)
    read = read_access_claims(claims, issuer="sallyport", audience="sallyport-api", now=clock())
    assert (read.subject, read.email, read.roles, read.generation) == (ann.id, ann.email, (), 0)
    assert read.expires_at - read.issued_at == 300
    assert re.fullmatch(r"[0-9a-f]{32}", read.jti)
    assert claims["user_id"] == claims["sub"]
    assert header_of(ann.access) == {
        "alg": "RS256",
        "typ": "at+jwt",
        "kid": parts.keys.signing.public.kid,
    }


def test_the_refresh_token_is_of_its_own_kind(ann: Person, clock: MovableClock) -> None:
    claims = claims_of(ann.refresh)
    assert header_of(ann.refresh) == {"alg": "HS256", "typ": "refresh+jwt"}
    assert set(claims) == {
        "token_type",
        "exp",
        "iat",
        "jti",
        "user_id",
        "sub",
        "iss",
        "aud",
        "sid",
        "generation",
    }
    assert (claims["token_type"], claims["aud"]) == ("refresh", "sallyport-refresh")
    assert claims["exp"] == clock() + 15_552_000
    assert re.fullmatch(r"[0-9a-f]{32}", claims["jti"])


def test_an_access_token_never_outlives_its_session(make_app: MakeApp, clock: MovableClock) -> None:
    person = Person(make_app(SESSION_LIFETIME="60").test_client())
    person.register()
    person.log_in()
    assert claims_of(person.access)["exp"] == clock() + 60


@pytest.mark.parametrize("email", ["ann@example.org", "ANN@Example.ORG", "  ann@example.org "])
def test_an_address_is_the_same_in_any_case(ann: Person, email: str) -> None:
    ann.email = email
    assert ann.log_in().status_code == 200


def test_wrong_unknown_and_inactive_are_answered_alike(ann: Person, bob: Person, operator: Operator) -> None:
    """R24, also in the work that is done: each of them verifies one hash."""
    operator.deactivate(bob.email)
    wrong = Person(ann.client, ann.email, "not this one").log_in()
    unknown = Person(ann.client, "nobody@example.org").log_in()
    inactive = bob.log_in()
    for answer in (wrong, unknown, inactive):
        assert (answer.status_code, answer.json) == (401, REFUSED)
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api"'


def test_a_login_is_a_session_with_device_and_address(ann: Person, operator: Operator) -> None:
    ann.agent = "x" * 1000
    ann.log_in()
    row = operator.session_of(ann.access)
    assert (row.device, row.address) == ("x" * 255, "127.0.0.1")


def test_a_hash_of_another_cost_is_replaced_at_login(ann: Person, make_app: MakeApp, clock: MovableClock) -> None:
    """R39."""
    dearer = make_app(ARGON2_TIME_COST="2")
    assert Person(dearer.test_client(), ann.email).log_in().status_code == 200
    user = Operator(dearer).user(ann.email)
    assert "t=2" in user.password_hash
    with dearer.app_context():
        assert db.session.get_one(UserRow, user.id).last_login_at == clock()
    assert Person(dearer.test_client(), ann.email).log_in().status_code == 200


def test_a_hash_of_a_password_as_it_was_typed_is_replaced_at_login(ann: Person, app: Flask) -> None:
    """Made by a former version, without normalization: afterwards every composition of the letters is right."""
    decomposed = "pa\u0308sswo\u0308rter 1"
    with app.app_context():
        former = argon2id.str(decomposed.encode(), opslimit=1, memlimit=8192).decode()
        db.session.execute(update(UserRow).values(password_hash=former))
        db.session.commit()
    composed = Person(ann.client, ann.email, "p\u00e4ssw\u00f6rter 1")
    assert composed.log_in().status_code == 401
    assert Person(ann.client, ann.email, decomposed).log_in().status_code == 200
    assert composed.log_in().status_code == 200


def test_a_login_that_meets_a_password_change_gets_no_session(ann: Person, operator: Operator, app: Flask) -> None:
    """Verified with the old password, recorded after the new one: the change wins."""
    with app.app_context():
        verified = services().users.find_by_email(ann.email)
        assert verified
        services().users.change_password(operator.user(ann.email), "another", services().clock() + 1, keep=None)
        session = new_session(verified.id, 0, 1, services().grants.policy)
        assert not services().sessions.open(session, verified, Client("", ""))


def test_a_storm_of_logins_is_told_to_come_back(
    ann: Person, parts: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R39: 503 with Retry-After, while refreshing goes on."""

    def busy(*_: object) -> bool:
        raise HashingBusy

    monkeypatch.setattr(parts.passwords, "verifying", busy)
    answer = ann.log_in()
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert ann.refresh_tokens().status_code == 200


NEW = "n3w Passw0rd!"
HASHING = {
    "registration": ("POST", "/auth/users/", {"email": "new@example.org", "password": PASSWORD}),
    "set_password": (
        "POST",
        "/auth/users/set_password/",
        {"new_password": NEW, "current_password": PASSWORD},
    ),
    "deletion": ("DELETE", "/auth/users/me/", {"current_password": PASSWORD}),
    "log-in": ("POST", "/auth/jwt/create/", {"email": "ann@example.org", "password": PASSWORD}),
}


@pytest.mark.parametrize("name", HASHING)
def test_no_connection_is_held_while_a_password_is_hashed(
    ann: Person, app: Flask, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Hashing takes long, and others may wait for their turn to be hashed: the database is for those who refresh."""
    held: list[int] = []

    def looking(name: str) -> Callable[..., Any]:
        plain = getattr(argon2id, name)

        def look(*args: Any, **options: Any) -> Any:
            held.append(pool.checkedout())
            return plain(*args, **options)

        return look

    with app.app_context():
        pool = cast(QueuePool, db.engine.pool)
    for function in ("verify", "str"):
        monkeypatch.setattr(argon2id, function, looking(function))
    method, path, members = HASHING[name]
    access = "" if name in ("registration", "log-in") else ann.access
    answer = ann.call(method, path, access=access, json=members) if access else ann.client.post(path, json=members)
    assert answer.status_code in (200, 201, 204)
    assert held
    assert set(held) == {0}


def test_a_token_is_signed_for_whoever_tries(ann: Person, parts: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """R24: the time does not tell which addresses have an account, whatever is done while the password is hashed."""
    signed: list[TokenUser] = []
    access = Issuer.access

    def recorded(issuer: Issuer, user: TokenUser, session: Session, now: float) -> str:
        signed.append(user)
        return access(issuer, user, session, now)

    monkeypatch.setattr(Issuer, "access", recorded)
    ann.password = "not the one"
    assert ann.log_in().get_json() == REFUSED
    assert Person(ann.client, "nobody-at-all@example.org").log_in().get_json() == REFUSED
    assert [user.email for user in signed] == [ann.email, DUMMY_USER.email]


def test_no_password_stands_in_the_database(ann: Person, operator: Operator) -> None:
    assert operator.user(ann.email).password_hash.startswith("$argon2id$")
