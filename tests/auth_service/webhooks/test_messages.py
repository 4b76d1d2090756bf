"""Changes of users and sessions cause webhooks, with the change or not at all."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, func, select

from auth_service.services import Services
from auth_service.storage.models import UserRow, WebhookDeliveryRow, db
from tests.auth_service.conftest import MakeApp
from tests.auth_service.sql_statements import statements
from tests.auth_service.webhooks.receiver import Receiver
from tests.auth_service.world import PASSWORD, Operator, Person


def sent(sending: Services, receiver: Receiver) -> list[dict[str, Any]]:
    """Return what the receiver gets now."""
    receiver.received.clear()
    sending.webhooks.sender.send_due()
    return list(receiver.received)


def test_a_registration_and_a_log_in_are_reported(quiet_ann: Person, sending: Services, receiver: Receiver) -> None:
    quiet_ann.register(first_name="Ann", last_name="Lee")
    quiet_ann.log_in()
    created, session = sent(sending, receiver)
    assert created == {
        "type": "user.created",
        "timestamp": "2027-01-15T08:00:00.000Z",
        "data": {
            "user_id": quiet_ann.id,
            "actor": None,
            "address": "127.0.0.1",
            "device": "ann's phone",
            "first_name": "Ann",
            "last_name": "Lee",
            "roles": [],
            "email": "ann@example.org",
            "status": "active",
            "invited": False,
        },
    }
    assert session["type"] == "session.created"
    assert session["data"]["user_id"] == quiet_ann.id


def test_every_change_of_an_account_is_reported(
    app: Flask, sending: Services, receiver: Receiver, operator: Operator
) -> None:
    ann = Person(app.test_client())
    ann.register()
    ann.log_in()
    sent(sending, receiver)
    ann.call("PATCH", "/auth/users/me/", json={"first_name": "Anna"})
    ann.set_password("another-g00d-one")
    operator.grant(ann.email, "beta", "staff")
    operator.deactivate(ann.email)
    operator.activate(ann.email)
    with app.app_context():
        user = operator.user(ann.email)
        sending.users.delete(user, sending.clock())
    found = {body["type"]: body["data"] for body in sent(sending, receiver)}
    assert list(found) == [
        "user.updated",
        "user.password_changed",
        "user.roles_changed",
        "session.ended",
        "user.deactivated",
        "user.activated",
        "user.deleted",
    ]
    assert found["user.updated"]["first_name"] == "Anna"
    assert found["user.password_changed"]["method"] == "changed"
    roles = found["user.roles_changed"]
    assert (roles["roles"], roles["former_roles"]) == (["beta", "staff"], [])
    assert found["session.ended"]["reason"] == "roles_changed"
    assert found["user.deleted"]["user_id"] == ann.id


def test_a_replay_is_reported_as_the_end_of_the_session_and_as_a_replay(
    make_app: MakeApp, receiver: Receiver, webhooks_file: Any
) -> None:
    app = make_app(WEBHOOKS_FILE=str(webhooks_file), REFRESH_GRACE="0")
    ann = Person(app.test_client())
    ann.register()
    ann.log_in()
    first = ann.refresh
    for _ in range(3):
        ann.refresh_tokens()
    assert ann.refresh_with(first).status_code == 401
    with app.app_context():
        parts = app.extensions["sallyport-auth"]
        bodies = sent(parts, receiver)
    assert [body["type"] for body in bodies] == [
        "user.created",
        "session.created",
        "session.ended",
        "session.replay_detected",
    ]
    assert bodies[2]["data"]["reason"] == "replay"
    assert bodies[2]["data"]["session_id"] == bodies[3]["data"]["session_id"] == bodies[1]["data"]["session_id"]


def test_no_body_contains_a_password_a_hash_or_a_token(
    quiet_ann: Person, sending: Services, receiver: Receiver
) -> None:
    quiet_ann.register()
    quiet_ann.log_in()
    quiet_ann.set_password("another-g00d-one")
    assert len(sent(sending, receiver)) == 3
    stored = "".join(db.session.scalars(select(WebhookDeliveryRow.body)))
    for secret in (PASSWORD, "another-g00d-one", "argon2", quiet_ann.access, quiet_ann.refresh, "eyJ"):
        assert secret not in stored


def test_a_change_that_is_not_committed_is_not_reported(
    sending: Services, client: FlaskClient, receiver: Receiver
) -> None:
    """The message is inserted in the transaction of the change, so neither exists without the other."""

    def fail(_: object, __: object, statement: str, parameters: object, *___: object) -> tuple[str, object]:
        return statement.replace("INSERT INTO webhook_deliveries", "INSERT INTO missing"), parameters

    event.listen(db.engine, "before_cursor_execute", fail, retval=True)
    assert Person(client).register().status_code == 503
    event.remove(db.engine, "before_cursor_execute", fail)
    db.session.rollback()
    assert db.session.scalar(select(func.count()).select_from(UserRow)) == 0
    assert sent(sending, receiver) == []
    assert Person(client).register().status_code == 201
    assert [body["type"] for body in sent(sending, receiver)] == ["user.created"]


@pytest.mark.parametrize("settings", [{}, {"WEBHOOKS": "[endpoints]"}])
def test_without_endpoints_nothing_is_written(make_app: MakeApp, settings: dict[str, str]) -> None:
    app = make_app(**settings)
    ann = Person(app.test_client())
    ann.register()
    with statements(app) as run:
        ann.log_in()
        ann.refresh_tokens()
    assert any("INSERT INTO sessions" in statement for statement in run)
    assert not [statement for statement in run if "webhook" in statement]


def test_with_one_endpoint_a_log_in_has_one_more_statement_and_a_refresh_none(
    app: Flask, make_app: MakeApp, quiet_ann: Person
) -> None:
    quiet_ann.register()
    other_app = make_app()
    same = Person(other_app.test_client())
    counts = []
    for person, of_app in ((quiet_ann, app), (same, other_app)):
        with statements(of_app) as log_in:
            person.log_in()
        with statements(of_app) as refresh:
            person.refresh_tokens()
        counts.append((len(log_in), len(refresh)))
    (log_in_with, refresh_with), (log_in_without, refresh_without) = counts
    assert log_in_with == log_in_without + 1
    assert refresh_with == refresh_without
