"""A request does the same work for every address, so that its time does not reveal which accounts exist.

The tests compare every step that takes time, in order: SQL statements, commits, Redis commands and hashes.
"""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from nacl.pwhash import argon2id
from sqlalchemy import event, update

from auth_service.redis_client import Command, RedisClient
from auth_service.storage.models import UserRow, db
from tests.auth_service.conftest import MakeApp
from tests.auth_service.gateway_calls import Gateway
from tests.auth_service.world import PASSWORD, Operator, Person
from tests.clocks import MovableClock

UNKNOWN_NAMES = 150
"""Failed log-ins with unknown names before the comparison."""


class WorkRecorder:
    """Records the steps of the service for a refused log-in."""

    def __init__(self, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: list[str] = []
        with app.app_context():
            engine = db.engine
        event.listen(engine, "before_cursor_execute", self._record_statement)
        event.listen(engine, "commit", lambda _: self.steps.append("commit"))
        event.listen(engine, "rollback", lambda _: self.steps.append("rollback"))
        send_pipeline, verify, make_hash = RedisClient.send_pipeline, argon2id.verify, argon2id.str

        def recorded_send(redis_client: RedisClient, *commands: Command) -> list[object]:
            self.steps.append(f"redis {[command[0] for command in commands]}")
            return send_pipeline(redis_client, *commands)

        def recorded_verify(password_hash: bytes, password: bytes) -> bool:
            self.steps.append(f"verify {password_hash.split(b'$')[3].decode()}")
            return verify(password_hash, password)

        def recorded_hash(*args: Any, **options: Any) -> bytes:
            self.steps.append("hash")
            return make_hash(*args, **options)

        monkeypatch.setattr(RedisClient, "send_pipeline", recorded_send)
        monkeypatch.setattr(argon2id, "verify", recorded_verify)
        monkeypatch.setattr(argon2id, "str", recorded_hash)

    def log_in(self, client: FlaskClient, email: str, password: str) -> list[str]:
        """Log in with a password that is refused; return the recorded steps."""
        self.steps.clear()
        answer = client.post("/auth/jwt/create/", json={"email": email, "password": password})
        assert answer.status_code == 401
        return list(self.steps)

    def log_in_browser(self, client: FlaskClient, email: str, password: str) -> list[str]:
        """Log in from a browser with a password that is refused; return the recorded steps."""
        self.steps.clear()
        assert Gateway(client, MovableClock()).open("x", email=email, password=password).status_code == 401
        return list(self.steps)

    def post(self, client: FlaskClient, path: str, status: int, **members: str) -> list[str]:
        """Send a request that is answered `status`; return the recorded steps."""
        self.steps.clear()
        assert client.post(path, json=members).status_code == status
        return list(self.steps)

    def _record_statement(self, _: object, __: object, statement: str, *___: object) -> None:
        self.steps.append(" ".join(statement.split()))


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """A service with high limits, so that many log-ins may fail."""
    app = make_app(LOGIN_FAILURES="10000/hour", LOGIN_FAILURES_PER_ACCOUNT="10000/hour")
    client = app.test_client()
    for name in ("known", "deactivated", "empty-hash", "django-hash", "malformed-hash"):
        assert Person(client, f"{name}@example.org").register().status_code == 201
    Operator(app).deactivate("deactivated@example.org")
    with app.app_context():
        for name, password_hash in {
            "empty-hash": "",
            "django-hash": "!kXb8l2mQ",  # Django's mark of an account without a password
            "malformed-hash": "$argon2id$v=19$m=8,t=1,p=1$x$y",
        }.items():
            db.session.execute(
                update(UserRow).where(UserRow.email == f"{name}@example.org").values(password_hash=password_hash)
            )
        db.session.commit()
    return app


ACCOUNTS = [
    ("known@example.org", "wrong"),
    ("deactivated@example.org", PASSWORD),
    ("deactivated@example.org", "wrong"),
    ("empty-hash@example.org", PASSWORD),
    ("django-hash@example.org", PASSWORD),
    ("malformed-hash@example.org", PASSWORD),
]


@pytest.mark.parametrize("way", ["log_in", "log_in_browser"])
def test_a_failed_login_does_the_same_work_for_every_account(
    app: Flask, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Also after thirty failures of the same account. Some accounts have no usable password hash."""
    client = app.test_client()
    recorder = WorkRecorder(app, monkeypatch)
    log_in = getattr(recorder, way)
    for failures_before in (0, 30):
        for email, password in ACCOUNTS:
            for _ in range(failures_before):
                log_in(client, email, password)
            unknown = log_in(client, "nobody@example.org", password)
            assert log_in(client, email, password) == unknown, (email, password)
    assert sum(step.startswith("INSERT INTO audit_events") for step in unknown) == 1
    assert unknown.count("commit") == 1
    assert unknown.count("verify m=8,t=1,p=1") == 1


def test_many_failures_of_unknown_accounts_change_no_step(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a common limit for unknown names, their refusals would be faster once it is reached."""
    client = app.test_client()
    recorder = WorkRecorder(app, monkeypatch)
    for number in range(UNKNOWN_NAMES):
        unknown = recorder.log_in(client, f"nobody{number}@example.org", "wrong")
    assert recorder.log_in(client, "known@example.org", "wrong") == unknown


ADDRESSES = ("known@example.org", "deactivated@example.org", "nobody@example.org")


@pytest.mark.parametrize("path", ["reset_password", "resend_activation", "reset_email"])
def test_a_request_for_a_mail_does_the_same_work_for_every_address(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """It adds one row to the outbox, and reads no table."""
    app = make_app(SEND_ACTIVATION_EMAIL="on")
    client = app.test_client()
    for email in ADDRESSES[:2]:
        assert Person(client, email).register().status_code == 201
    Operator(app).deactivate(ADDRESSES[1])
    recorder = WorkRecorder(app, monkeypatch)
    works = [recorder.post(client, f"/auth/users/{path}/", 204, email=email) for email in ADDRESSES]
    assert works[0] == works[1] == works[2]
    statements = [step.split("(")[0] for step in works[0] if not step.startswith("redis")]
    assert statements == ["INSERT INTO mail_outbox ", "commit"]


def test_a_registration_with_verification_does_the_same_work_for_every_address(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hashes the password and inserts a user, an audit record and a mail, or tries to."""
    app = make_app(SEND_ACTIVATION_EMAIL="on")
    client = app.test_client()
    assert Person(client, "known@example.org").register().status_code == 201
    recorder = WorkRecorder(app, monkeypatch)
    works = [
        recorder.post(client, "/auth/users/", status, email=email, password=PASSWORD)
        for email, status in {"known@example.org": 400, "nobody@example.org": 201}.items()
    ]
    assert works[0] == works[1]
    assert works[0].count("hash") == 1
    inserts = [step.split("(")[0].strip() for step in works[0] if step.startswith("INSERT")]
    assert inserts == ["INSERT INTO users", "INSERT INTO audit_events", "INSERT INTO mail_outbox"]
