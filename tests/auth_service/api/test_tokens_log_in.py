"""POST /auth/jwt/create/: a log-in returns tokens, or one error for every kind of wrong credentials."""

import re
from collections.abc import Callable
from typing import Any, cast

import pytest
from flask import Flask
from nacl.pwhash import argon2id
from sqlalchemy import QueuePool, update

from auth_service.accounts.passwords.hashing import HashingBusy, Passwords
from auth_service.accounts.user import DUMMY_USER
from auth_service.events.client import Client
from auth_service.services import Services, services
from auth_service.sessions.store import Session, new_session
from auth_service.storage.models import UserRow, db
from auth_service.tokens.issuer import ExtraClaims, Issuer, TokenUser
from contract.claims import read_access_claims
from tests.auth_service.conftest import MakeApp
from tests.auth_service.forge import claims_of, header_of
from tests.auth_service.world import PASSWORD, Operator, Person
from tests.clocks import MovableClock

REFUSED = {"detail": "No active account found with the given credentials"}


def test_the_access_token_has_the_claims_that_the_gateway_reads(
    ann: Person, clock: MovableClock, parts: Services
) -> None:
    claims = claims_of(ann.access)
    read = read_access_claims(claims, issuer="sallyport", audience="sallyport-api", now=clock())
    assert (read.subject, read.email, read.roles, read.generation) == (ann.id, ann.email, (), 0)
    assert read.expires_at - read.issued_at == 300
    assert re.fullmatch(r"[0-9a-f]{32}", read.jti)
    assert claims["user_id"] == claims["sub"]
    assert header_of(ann.access) == {
        "alg": "RS256",
        "typ": "at+jwt",
        "kid": parts.keys.current().signing.public.kid,
    }


def test_the_refresh_token_has_its_own_type_and_audience(ann: Person, clock: MovableClock) -> None:
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
    assert claims["exp"] == clock() + 180 * 86_400
    assert re.fullmatch(r"[0-9a-f]{32}", claims["jti"])


def test_an_access_token_expires_no_later_than_its_session(make_app: MakeApp, clock: MovableClock) -> None:
    person = Person(make_app(SESSION_LIFETIME="60").test_client())
    person.register()
    person.log_in()
    assert claims_of(person.access)["exp"] == clock() + 60


@pytest.mark.parametrize("email", ["ann@example.org", "ANN@Example.ORG", "  ann@example.org "])
def test_an_address_is_matched_regardless_of_case_and_surrounding_spaces(ann: Person, email: str) -> None:
    ann.email = email
    assert ann.log_in().status_code == 200


def test_a_wrong_password_an_unknown_address_and_an_inactive_user_are_answered_alike(
    ann: Person, bob: Person, operator: Operator
) -> None:
    operator.deactivate(bob.email)
    wrong = Person(ann.client, ann.email, "not this one").log_in()
    unknown = Person(ann.client, "nobody@example.org").log_in()
    inactive = bob.log_in()
    for response in (wrong, unknown, inactive):
        assert (response.status_code, response.json) == (401, REFUSED)
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="api"'


def test_a_log_in_stores_device_and_address_of_the_session(ann: Person, operator: Operator) -> None:
    ann.agent = "x" * 1000
    ann.log_in()
    row = operator.session_of(ann.access)
    assert (row.device, row.address) == ("x" * 255, "127.0.0.1")


def test_a_hash_with_another_cost_is_replaced_at_log_in(ann: Person, make_app: MakeApp, clock: MovableClock) -> None:
    costlier = make_app(ARGON2_TIME_COST="2")
    assert Person(costlier.test_client(), ann.email).log_in().status_code == 200
    user = Operator(costlier).user(ann.email)
    assert "t=2" in user.password_hash
    with costlier.app_context():
        assert db.session.get_one(UserRow, user.id).last_login_at == clock()
    assert Person(costlier.test_client(), ann.email).log_in().status_code == 200


def test_a_log_in_that_cannot_replace_the_hash_succeeds(
    ann: Person, make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hashing queue may be full by then. A later log-in replaces the hash."""
    costlier = make_app(ARGON2_TIME_COST="2")

    def busy(*_: object) -> str:
        raise HashingBusy

    with monkeypatch.context() as patched:
        patched.setattr(Passwords, "hash", busy)
        assert Person(costlier.test_client(), ann.email).log_in().status_code == 200
    assert "t=1" in Operator(costlier).user(ann.email).password_hash
    assert Person(costlier.test_client(), ann.email).log_in().status_code == 200
    assert "t=2" in Operator(costlier).user(ann.email).password_hash


def test_a_hash_of_an_unnormalized_password_is_replaced_at_log_in(ann: Person, app: Flask) -> None:
    """Earlier releases did not normalize passwords. After the log-in every Unicode form of the password matches."""
    decomposed = "pa\u0308sswo\u0308rter 1"
    with app.app_context():
        former = argon2id.str(decomposed.encode(), opslimit=1, memlimit=8192).decode()
        db.session.execute(update(UserRow).values(password_hash=former))
        db.session.commit()
    composed = Person(ann.client, ann.email, "p\u00e4ssw\u00f6rter 1")
    assert composed.log_in().status_code == 401
    assert Person(ann.client, ann.email, decomposed).log_in().status_code == 200
    assert composed.log_in().status_code == 200


def test_a_log_in_with_the_old_password_during_a_password_change_opens_no_session(
    ann: Person, operator: Operator, app: Flask
) -> None:
    """The old password is verified before the change, and the session would be stored after it."""
    with app.app_context():
        verified = services().users.find_by_email(ann.email)
        assert verified
        services().users.change_password(operator.user(ann.email), "another", services().clock() + 1, keep=None)
        session = new_session(verified.id, 0, 1, services().grants.policy)
        assert not services().sessions.open(session, verified, Client("", ""))


def test_a_full_hashing_queue_is_answered_503(ann: Person, parts: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """With Retry-After. Refreshes still work."""

    def busy(*_: object) -> bool:
        raise HashingBusy

    monkeypatch.setattr(parts.passwords, "verifying", busy)
    response = ann.log_in()
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
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
    """Hashing takes long, and refreshes need the connections during that time."""
    connections_in_use: list[int] = []

    def spy_on(name: str) -> Callable[..., Any]:
        original = getattr(argon2id, name)

        def spy(*args: Any, **options: Any) -> Any:
            connections_in_use.append(pool.checkedout())
            return original(*args, **options)

        return spy

    with app.app_context():
        pool = cast(QueuePool, db.engine.pool)
    for function in ("verify", "str"):
        monkeypatch.setattr(argon2id, function, spy_on(function))
    method, path, members = HASHING[name]
    access = "" if name in ("registration", "log-in") else ann.access
    response = ann.call(method, path, access=access, json=members) if access else ann.client.post(path, json=members)
    assert response.status_code in (200, 201, 204)
    assert connections_in_use
    assert set(connections_in_use) == {0}


def test_a_failed_log_in_signs_a_token_for_known_and_unknown_addresses(
    ann: Person, parts: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is discarded. All failed log-ins take equally long, so the time does not show who has an account."""
    signed: list[TokenUser] = []
    access = Issuer.access

    def recording_access(issuer: Issuer, user: TokenUser, session: Session, now: float, extra: ExtraClaims) -> str:
        signed.append(user)
        return access(issuer, user, session, now, extra)

    monkeypatch.setattr(Issuer, "access", recording_access)
    ann.password = "not the one"
    assert ann.log_in().get_json() == REFUSED
    assert Person(ann.client, "nobody-at-all@example.org").log_in().get_json() == REFUSED
    assert [user.email for user in signed] == [ann.email, DUMMY_USER.email]


def test_the_database_stores_no_password(ann: Person, operator: Operator) -> None:
    assert operator.user(ann.email).password_hash.startswith("$argon2id$")
