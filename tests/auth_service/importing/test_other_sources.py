"""Users of Flask-Security, fastapi-users, Supabase, Firebase, Auth0, Keycloak and of files are imported."""

import base64
import csv
import json
import sqlite3
from hashlib import pbkdf2_hmac
from pathlib import Path
from typing import Any
from uuid import UUID

import bcrypt
import pytest
from flask import Flask

from tests.auth_service.accounts.foreign_hashes.recorded import FLASK_SECURITY_SALT, recorded_hashes
from tests.auth_service.accounts.foreign_hashes.test_firebase_scrypt import SIGNER_KEY
from tests.auth_service.conftest import MakeApp
from tests.auth_service.importing.argon2_of_keycloak import argon2_credential
from tests.auth_service.importing.conftest import Import, Run
from tests.auth_service.world import Operator, Person

PASSWORD = "Tr0ub4dor&3x"
BCRYPT = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()


def log_in(app: Flask, email: str, password: str = PASSWORD) -> int:
    """Return the status of a log-in."""
    return Person(app.test_client(), email, password).log_in().status_code


def test_the_users_of_flask_security(make_app: MakeApp, import_users: Import, tmp_path: Path) -> None:
    (stored, *_) = (each for each in recorded_hashes() if each.system == "flask-security")
    with sqlite3.connect(tmp_path / "app.db") as connection:
        connection.execute(
            'CREATE TABLE "user" (id INTEGER PRIMARY KEY, email TEXT, password TEXT, active BOOL, confirmed_at TEXT)'
        )
        rows = [
            (1, "ann@example.org", stored.stored.removeprefix("$flask-security$"), 1, "2026-01-02 03:04:05"),
            (2, "bob@example.org", None, 1, None),
        ]
        connection.executemany('INSERT INTO "user" VALUES (?, ?, ?, ?, ?)', rows)
    settings = {"FLASK_SECURITY_PASSWORD_SALT": FLASK_SECURITY_SALT}

    report = import_users("flask-security", "--database", f"sqlite:///{tmp_path}/app.db", **settings)

    assert report["imported"] == 2
    assert [each["reason"] for each in report["problems"]] == ["there is no usable password"]
    app = make_app(**settings)
    assert log_in(app, "ann@example.org", stored.password) == 200
    assert Operator(app).user("ann@example.org").email_verified_at == 1767323045.0


def test_a_missing_secret_of_flask_security_is_reported(import_users: Import, tmp_path: Path) -> None:
    (stored, *_) = (each.stored for each in recorded_hashes() if each.system == "flask-security")
    row = {"id": 1, "email": "ann@example.org", "password_hash": stored}
    (tmp_path / "users.jsonl").write_text(json.dumps(row))

    report = import_users("jsonl", "--file", str(tmp_path / "users.jsonl"))

    assert [each["reason"] for each in report["problems"]] == ["FLASK_SECURITY_PASSWORD_SALT is not set"]


def test_the_users_of_fastapi_users(app: Flask, import_users: Import, operator: Operator, tmp_path: Path) -> None:
    (stored, *_) = (each for each in recorded_hashes() if (each.system, each.kind) == ("pwdlib", "argon2"))
    user_id = UUID("5b1a5f0e-6f3c-4a39-9a0e-0b7f5f9b6c11")
    with sqlite3.connect(tmp_path / "app.db") as connection:
        connection.execute(
            'CREATE TABLE "user" (id CHAR(36), email TEXT, hashed_password TEXT, is_active BOOL, is_superuser BOOL, '
            "is_verified BOOL)"
        )
        connection.execute(
            'INSERT INTO "user" VALUES (?, ?, ?, 1, 1, 0)', (str(user_id), "ann@example.org", stored.stored)
        )

    import_users("fastapi-users", "--database", f"sqlite:///{tmp_path}/app.db")

    ann = operator.user("ann@example.org")
    assert (ann.id, ann.roles, ann.email_verified_at) == (user_id, "staff", None)
    assert log_in(app, "ann@example.org", stored.password) == 200


def test_the_users_of_supabase(app: Flask, import_users: Import, operator: Operator, tmp_path: Path) -> None:
    names = [
        "id",
        "email",
        "encrypted_password",
        "banned_until",
        "created_at",
        "last_sign_in_at",
        "email_confirmed_at",
    ]
    time = "2026-01-02 03:04:05.25+00"
    with (tmp_path / "users.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        ids = [f"5b1a5f0e-6f3c-4a39-9a0e-0b7f5f9b6c1{number}" for number in range(2)]
        writer.writerow([ids[0], "ann@example.org", BCRYPT.replace("$2b$", "$2a$"), "", time, "", time])
        writer.writerow([ids[1], "bob@example.org", BCRYPT, "2027-01-01 00:00:00+00", time, "", ""])

    report = import_users("supabase", "--file", str(tmp_path / "users.csv"))

    assert report["imported"] == 2
    assert log_in(app, "ann@example.org") == 200
    assert operator.user("ann@example.org").email_verified_at == 1767323045.25
    assert operator.user("bob@example.org").status == "barred"


def test_the_users_of_firebase(make_app: MakeApp, import_users: Import, tmp_path: Path) -> None:
    sample = {
        "localId": "Xh2k9",
        "email": "ann@example.org",
        "emailVerified": True,
        "displayName": "Ann van Lee",
        "salt": "42xEC+ixf3L2lw==",
        "passwordHash": "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==",
        "createdAt": "1767323045250",
        "lastSignedInAt": "1767323046000",
    }
    others = [{"localId": "google", "email": "bob@example.org", "disabled": True}, {"localId": "phone"}, "nonsense"]
    (tmp_path / "users.json").write_text(json.dumps({"users": [sample, *others]}))
    settings = {"FIREBASE_SIGNER_KEY": base64.b64encode(SIGNER_KEY).decode()}

    report = import_users("firebase", "--file", str(tmp_path / "users.json"), **settings)

    assert (report["imported"], report["skipped"]) == (2, 2)
    app = make_app(**settings)
    ann = Operator(app).user("ann@example.org")
    assert (ann.first_name, ann.last_name, ann.email_verified_at) == ("Ann", "van Lee", 1767323045.25)
    assert Operator(app).user("bob@example.org").status == "barred"
    assert log_in(app, "ann@example.org", "user1password") == 200


def test_firebase_needs_its_signer_key(run: Run, tmp_path: Path) -> None:
    done = run("import-users", "firebase", "--file", str(tmp_path / "users.json"))

    assert done.exit_code == 1
    assert "FIREBASE_SIGNER_KEY is not set" in done.output


def test_the_users_of_auth0(app: Flask, import_users: Import, operator: Operator, tmp_path: Path) -> None:
    users = [
        {
            "_id": {"$oid": "60425dc43519d90068f82973"},
            "email": "ann@example.org",
            "email_verified": True,
            "passwordHash": BCRYPT,
            "created_at": {"$date": "2026-01-02T03:04:05.250Z"},
        },
        {"_id": {"$oid": "60425dc43519d90068f82974"}, "email": "bob@example.org", "blocked": True},
    ]
    (tmp_path / "users.jsonl").write_text("\n".join(map(json.dumps, users)))

    report = import_users("auth0", "--file", str(tmp_path / "users.jsonl"))

    assert report["imported"] == 2
    assert operator.user("ann@example.org").email_verified_at == 1767323045.25
    assert operator.user("bob@example.org").status == "barred"
    assert log_in(app, "ann@example.org") == 200


def pbkdf2_credential(algorithm: str, digest: str, size: int) -> dict[str, str]:
    """Return a credential of Keycloak."""
    salt = b"0123456789abcdef"
    key = pbkdf2_hmac(digest, PASSWORD.encode(), salt, 27_500, size)
    secret = {"value": base64.b64encode(key).decode(), "salt": base64.b64encode(salt).decode()}
    data = {"hashIterations": 27_500, "algorithm": algorithm, "additionalParameters": {}}
    return {"type": "password", "secretData": json.dumps(secret), "credentialData": json.dumps(data)}


@pytest.mark.parametrize(
    "credential",
    [
        pbkdf2_credential("pbkdf2-sha256", "sha256", 64),
        pbkdf2_credential("pbkdf2-sha256", "sha256", 32),
        pbkdf2_credential("pbkdf2-sha512", "sha512", 64),
        pbkdf2_credential("pbkdf2", "sha1", 64),
        argon2_credential(PASSWORD),
    ],
    ids=lambda credential: json.loads(credential["credentialData"])["algorithm"],
)
def test_the_users_of_keycloak(
    app: Flask, import_users: Import, operator: Operator, tmp_path: Path, credential: dict[str, str]
) -> None:
    ann = {
        "id": "5b1a5f0e-6f3c-4a39-9a0e-0b7f5f9b6c11",
        "username": "ann",
        "email": "ann@example.org",
        "emailVerified": False,
        "enabled": True,
        "firstName": "Ann",
        "createdTimestamp": 1767323045250,
        "credentials": [{"type": "otp"}, credential],
        "realmRoles": ["editor", "offline_access"],
    }
    (tmp_path / "realm.json").write_text(json.dumps({"realm": "shop", "users": [ann]}))

    report = import_users("keycloak", "--file", str(tmp_path / "realm.json"))

    assert (report["imported"], report["problems"]) == (1, [])
    stored = operator.user("ann@example.org")
    assert (str(stored.id), stored.first_name, stored.roles) == (ann["id"], "Ann", "editor offline_access")
    assert log_in(app, "ann@example.org") == 200


@pytest.mark.parametrize(
    "credential",
    [
        {"type": "password"},
        {"type": "password", "secretData": "{", "credentialData": "{}"},
        {"type": "password", "secretData": '{"value": 1, "salt": ""}', "credentialData": "{}"},
        {"type": "password", "secretData": "[]", "credentialData": "[]"},
        {
            "type": "password",
            "secretData": '{"value": "AAAA", "salt": "AAAA"}',
            "credentialData": '{"algorithm": "md5", "hashIterations": 1}',
        },
        {
            "type": "password",
            "secretData": '{"value": "AAAA", "salt": "AAAA"}',
            "credentialData": '{"algorithm": "argon2", "hashIterations": 5, "additionalParameters": {"type": []}}',
        },
    ],
)
def test_an_unreadable_credential_of_keycloak_is_reported(
    import_users: Import, tmp_path: Path, credential: dict[str, Any]
) -> None:
    user = {"id": "1", "email": "ann@example.org", "credentials": [credential]}
    (tmp_path / "realm.json").write_text(json.dumps({"users": [user]}))

    report = import_users("keycloak", "--file", str(tmp_path / "realm.json"))

    assert report["imported"] == 1
    assert [(each["field"], each["outcome"]) for each in report["problems"]] == [
        ("password_hash", "without_password")
    ]


def test_bad_lines_of_a_file_are_reported_with_their_numbers(import_users: Import, tmp_path: Path) -> None:
    lines = [
        '{"id": 1, "email": "ann@example.org", "created_at": "yesterday", "roles": ["ok", "not ok", "ünicode"]}',
        "{",
        "",
        "[1]",
        '{"id": 1, "email": "bob@example.org"}',
        '{"id": true, "email": "bob@example.org"}',
        '{"id": {"a": 1}, "email": "bob@example.org"}',
        '{"email": "bob@example.org"}',
        '{"id": 9, "email": ["bob@example.org"]}',
        '{"id": 10, "email": "bob@example.org", "is_active": "perhaps"}',
        '{"id": 11, "email": "bob@example.org", "status": "asleep"}',
        '{"id": 12, "email": "bob@example.org", "password_hash": 5, "first_name": "a\\u0000b", "last_name": 3}',
        "[" * 100_000,
        '{"id": 14, "email": "' + "a" * 60 + "@" + ("b" * 60 + ".") * 4 + 'org"}',
        '{"id": "' + "k" * 256 + '", "email": "eve@example.org"}',
        '{"id": "tab\\t", "email": "eve@example.org"}',
        "\udcff".encode("utf-8", "surrogateescape").decode("latin-1"),
    ]
    (tmp_path / "users.jsonl").write_text("\n".join(lines))

    report = import_users("jsonl", "--file", str(tmp_path / "users.jsonl"))

    assert (report["read"], report["imported"]) == (16, 2)
    found = [(each["row"], each["field"], each["outcome"]) for each in report["problems"]]
    assert sorted(found) == [
        (1, "created_at", "changed"),
        (1, "password_hash", "without_password"),
        (1, "roles", "changed"),
        (1, "roles", "changed"),
        (2, "row", "skipped"),
        (4, "row", "skipped"),
        (5, "id", "skipped"),
        (6, "id", "skipped"),
        (7, "id", "skipped"),
        (8, "id", "skipped"),
        (9, "email", "skipped"),
        (10, "is_active", "skipped"),
        (11, "status", "skipped"),
        (12, "first_name", "changed"),
        (12, "last_name", "changed"),
        (12, "password_hash", "without_password"),
        (13, "row", "skipped"),
        (14, "email", "skipped"),
        (15, "id", "skipped"),
        (16, "id", "skipped"),
        (17, "row", "skipped"),
    ]


@pytest.mark.parametrize("kind", ["jsonl", "csv", "keycloak", "auth0"])
def test_a_missing_file_is_explained(run: Run, tmp_path: Path, kind: str) -> None:
    assert "name the file" in run("import-users", kind).output
    missing = run("import-users", kind, "--file", str(tmp_path / "missing"))
    assert missing.exit_code == 1
    assert "missing cannot be read: No such file" in missing.output
