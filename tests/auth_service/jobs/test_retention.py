"""The retention job deletes audit records and sessions when their time is over."""

import pytest
from flask.testing import FlaskClient
from sqlalchemy import insert, select

from auth_service.jobs import retention
from auth_service.services import Services
from auth_service.storage.models import AuditRow, SessionRow, db
from auth_service.webhooks.messages import Message
from auth_service.webhooks.outbox import DeliveryFilter, NewDelivery
from tests.auth_service.conftest import MakeApp
from tests.auth_service.forge import claims_of
from tests.auth_service.world import Person
from tests.clocks import MovableClock

DAY = 86_400

pytestmark = pytest.mark.usefixtures("in_context")


def add_records(at: float, number: int = 1) -> None:
    """Store audit records of the time `at`."""
    rows = [{"at": at, "event": "x", "address": "", "device": "", "detail": {}}] * number
    db.session.execute(insert(AuditRow), rows)
    db.session.commit()


def recorded_at() -> list[float]:
    return list(db.session.scalars(select(AuditRow.at).order_by(AuditRow.at)))


def test_audit_records_are_deleted_after_ninety_days(parts: Services, clock: MovableClock) -> None:
    for age in (91, 90.5, 90, 89, 0):
        add_records(clock() - age * DAY)
    assert parts.retention.run_once() == 2
    assert recorded_at() == [clock() - age * DAY for age in (90, 89, 0)]


def test_the_retention_of_audit_records_can_be_set(make_app: MakeApp, clock: MovableClock) -> None:
    app = make_app(AUDIT_RETENTION="1")
    add_records(clock() - 2 * DAY)
    parts = app.extensions["sallyport-auth"]
    assert isinstance(parts, Services)
    assert parts.retention.run_once() == 1


def test_webhooks_are_deleted_after_thirty_days_also_those_that_wait(parts: Services, clock: MovableClock) -> None:
    for number, age in enumerate((31, 30, 0)):
        message = Message(f"msg_{number}", "user.created", clock() - age * DAY, "{}")
        parts.webhooks.outbox.add(NewDelivery(message, "crm"))
    assert parts.retention.run_once() == 1
    left = parts.webhooks.outbox.page(DeliveryFilter(), before=None, limit=9)
    assert [delivery.message_id for delivery in left] == ["msg_2", "msg_1"]


def test_a_run_deletes_a_limited_number_of_rows_in_batches(
    parts: Services, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 10)
    monkeypatch.setattr(retention, "MAX_BATCHES", 3)
    add_records(0.0, 45)
    assert [parts.retention.run_once() for _ in range(3)] == [30, 15, 0]


def test_a_session_is_deleted_a_day_after_its_last_token_expired(
    client: FlaskClient, parts: Services, clock: MovableClock
) -> None:
    idle, used, ended = Person(client), Person(client), Person(client)
    idle.register()
    for person in (idle, used, ended):
        person.log_in()
    ended.log_out()
    clock.move(179 * DAY)
    used.refresh_tokens()
    parts.retention.run_once()
    assert db.session.query(SessionRow).count() == 3
    assert ended.refresh_tokens().json == {"detail": "Token is blacklisted", "code": "token_not_valid"}
    clock.move(2 * DAY)  # the idle lifetime of 180 days and a day
    assert parts.retention.run_once() == 0
    clock.move(1)
    assert parts.retention.run_once() == 2
    assert [row.id for row in db.session.scalars(select(SessionRow))] == [claims_of(used.access)["sid"]]
    assert idle.refresh_tokens().status_code == 401
    assert used.refresh_tokens().status_code == 200
