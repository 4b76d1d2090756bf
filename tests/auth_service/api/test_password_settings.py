"""The settings for new passwords apply wherever a password is set."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from auth_service.accounts.mail_tokens import Purpose
from auth_service.accounts.passwords.hash_schemes import Argon2id
from auth_service.accounts.passwords.rules import MAX_PASSWORD
from auth_service.storage.audit.store import SqlAuditStore
from auth_service.store_errors import StoreUnavailable
from chassis.settings import SettingsError
from tests.auth_service.breach_lists import padding, write_file, write_folder
from tests.auth_service.conftest import MakeApp
from tests.auth_service.world import PASSWORD, Operator, Person

BREACHED = "This password has appeared in a data breach, so attackers try it. Choose a different one."
COMMON = "This password is too common."
LEAKED = "leaked horse battery"


def register(make_app: MakeApp, password: str, **settings: str) -> TestResponse:
    return Person(make_app(**settings).test_client(), password=password).register()


@pytest.mark.parametrize("write", [write_file, write_folder])
def test_a_breached_password_is_refused_wherever_a_password_is_set(
    make_app: MakeApp, tmp_path: Path, write: Callable[[Path, Mapping[str, int]], Path]
) -> None:
    path = write(tmp_path / "list", padding(100) | {LEAKED: 3})
    app = make_app(BREACHED_PASSWORDS=str(path))
    client = app.test_client()
    refused = Person(client, password=LEAKED).register()
    assert (refused.status_code, refused.json) == (400, {"password": [BREACHED]})
    ann = Person(client)
    assert ann.register().status_code == 201
    ann.log_in()
    changed = ann.set_password(LEAKED)
    assert (changed.status_code, changed.json) == (400, {"new_password": [BREACHED]})
    assert ann.set_password("a good horse battery").status_code == 204
    link = Operator(app).link(Purpose.PASSWORD_RESET, ann.email)
    members = {"uid": link.uid, "token": link.token, "new_password": LEAKED}
    reset = ann.post("/auth/users/reset_password_confirm/", **members)
    assert (reset.status_code, reset.json) == (400, {"new_password": [BREACHED]})


def test_a_reset_by_mail_lets_the_owner_in_at_a_new_address_while_others_guess(make_app: MakeApp) -> None:
    app = make_app(LOGIN_FAILURES_PER_ACCOUNT="3/hour")
    client = app.test_client(use_cookies=False)
    ann = Person(client)
    ann.register()

    def log_in(password: str, address: str) -> int:
        members = {"email": ann.email, "password": password}
        return client.post("/auth/jwt/create/", json=members, headers={"X-Forwarded-For": address}).status_code

    assert [log_in("wrong", f"192.0.2.{number}") for number in range(4)] == [401, 401, 401, 429]
    assert log_in(PASSWORD, "198.51.100.20") == 429
    link = Operator(app).link(Purpose.PASSWORD_RESET, ann.email)
    members = {"uid": link.uid, "token": link.token, "new_password": "a good horse battery"}
    reset = client.post(
        "/auth/users/reset_password_confirm/", json=members, headers={"X-Forwarded-For": "198.51.100.20"}
    )
    assert reset.status_code == 204
    assert log_in("a good horse battery", "198.51.100.20") == 200


def test_a_password_found_less_often_than_the_minimum_is_accepted(make_app: MakeApp, tmp_path: Path) -> None:
    path = write_file(tmp_path / "list", {LEAKED: 3})
    assert register(make_app, LEAKED, BREACHED_PASSWORDS=str(path), BREACHED_MIN_COUNT="4").status_code == 201


def audit_events(person: Person) -> list[str]:
    answer = person.call("GET", "/auth/audit/")
    assert answer.json
    return [entry["event"] for entry in answer.json["results"]]


@pytest.mark.parametrize("is_on", [True, False])
def test_a_log_in_with_a_breached_password_succeeds_and_is_recorded_if_set(
    make_app: MakeApp, tmp_path: Path, is_on: bool
) -> None:
    assert Person(make_app().test_client()).register().status_code == 201
    path = write_file(tmp_path / "list", {PASSWORD: 3})
    checking = make_app(BREACHED_PASSWORDS=str(path), BREACHED_AT_LOGIN="on" if is_on else "off")
    ann = Person(checking.test_client())
    ann.password = "wrong"
    assert ann.log_in().status_code == 401
    ann.password = PASSWORD
    assert ann.log_in().status_code == 200
    expected = ["breached_password"] if is_on else []
    assert audit_events(ann) == [*expected, "login_ok", "login_failed", "registered"]


def test_a_log_in_succeeds_if_its_breached_password_cannot_be_recorded(
    make_app: MakeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_file(tmp_path / "list", {PASSWORD: 3})
    assert Person(make_app().test_client()).register().status_code == 201
    ann = Person(make_app(BREACHED_PASSWORDS=str(path), BREACHED_AT_LOGIN="on").test_client())

    def fail(*_: object) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(SqlAuditStore, "record", fail)
    assert ann.log_in().status_code == 200


def test_passwords_of_the_blocklist_are_refused_in_any_case(make_app: MakeApp, tmp_path: Path) -> None:
    blocklist = tmp_path / "blocklist.txt"
    blocklist.write_text("Zebra Crossing 9\np\u00e4ssw\u00f6rter\n", encoding="utf-8")
    for password in ("zebra crossing 9", "PA\u0308SSWO\u0308RTER"):
        answer = register(make_app, password, PASSWORD_BLOCKLIST=str(blocklist))
        assert (answer.status_code, answer.json) == (400, {"password": [COMMON]})
    assert register(make_app, "zebra crossing 10", PASSWORD_BLOCKLIST=str(blocklist)).status_code == 201


def test_a_password_similar_to_a_context_word_is_refused(make_app: MakeApp) -> None:
    """NIST SP 800-63B: the name of the service and derivatives of it."""
    words = {"PASSWORD_CONTEXT_WORDS": "Lighthouse, Acme Tools"}
    for password in ("lighthouse1", "LIGHTHOUSE", "acmetools!"):
        answer = register(make_app, password, **words)
        assert (answer.status_code, answer.json) == (
            400,
            {"password": ["The password is too similar to the name of this service."]},
        )
    assert register(make_app, "a lighthouse in the north sea", **words).status_code == 201


def test_digits_only_are_accepted_if_set(make_app: MakeApp) -> None:
    assert register(make_app, "850391746275").json == {"password": ["This password is entirely numeric."]}
    assert register(make_app, "850391746275", PASSWORD_ALLOW_NUMERIC="on").status_code == 201


@pytest.mark.parametrize("character", ["x1", "\u00e4\u5bc6", "\U0001f511\U0001f6aa", "\ufdfa\u0308"])
def test_a_password_of_256_characters_is_accepted_and_counts_whole(make_app: MakeApp, character: str) -> None:
    """Of any script, also if the normal form is longer. No character is ignored."""
    password = character * (MAX_PASSWORD // 2)
    ann = Person(make_app().test_client(), password=password)
    assert ann.register().status_code == 201
    assert ann.log_in().status_code == 200
    for wrong in (password[:-1], password[1:]):
        ann.password = wrong
        assert ann.log_in().status_code == 401
    ann.password = password + "x"
    assert ann.log_in().status_code == 400
    assert ann.register().status_code == 400


def test_a_password_of_10_kb_is_refused_before_it_is_hashed(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_app().test_client()
    hashed: list[object] = []
    monkeypatch.setattr(Argon2id, "hash", lambda *arguments: hashed.append(arguments))
    monkeypatch.setattr(Argon2id, "verify", lambda *arguments: hashed.append(arguments))
    long = Person(client, password="x" * 10_240)
    too_long = {"password": ["Ensure this field has no more than 256 characters."]}
    for answer in (long.register(), long.log_in()):
        assert (answer.status_code, answer.json) == (400, too_long)
    assert hashed == []


def test_an_unusable_blocklist_stops_the_start(make_app: MakeApp, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="PASSWORD_BLOCKLIST cannot be read: No such file"):
        make_app(PASSWORD_BLOCKLIST=str(tmp_path / "missing"))
    (tmp_path / "latin").write_bytes(b"p\xe4ss\n")
    with pytest.raises(SettingsError, match="PASSWORD_BLOCKLIST must be UTF-8"):
        make_app(PASSWORD_BLOCKLIST=str(tmp_path / "latin"))
