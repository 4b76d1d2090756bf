"""The webhook job: every delivery arrives at least once, whatever the receiver, the process and the database do."""

import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import select
from standardwebhooks.webhooks import Webhook
from structlog.testing import capture_logs

from auth_service.app import create_app
from auth_service.jobs.webhooks import CLAIM_SECONDS
from auth_service.services import Services, services
from auth_service.settings import AuthSettings
from auth_service.storage.models import WebhookDeliveryRow, db
from auth_service.storage.webhooks.outbox import SqlWebhookOutbox
from auth_service.store_errors import StoreUnavailable
from auth_service.webhooks.outbox import DeliveryFilter
from auth_service.webhooks.retry_policy import DAY, DELAYS, DISABLE_AFTER
from chassis.settings import load
from tests.auth_service.conftest import MakeApp
from tests.auth_service.webhooks.conftest import endpoint_toml
from tests.auth_service.webhooks.receiver import NEXT_SECRET, SECRET, Receiver, running_receiver
from tests.auth_service.world import Person
from tests.clocks import MovableClock, ShiftedClock

LONGEST_DELAY = 1.2
"""A delay is at most a fifth longer."""


def send(sending: Services) -> int:
    return sending.webhooks.sender.send_due()


def row() -> WebhookDeliveryRow:
    """Return the only delivery."""
    db.session.rollback()
    return db.session.scalars(select(WebhookDeliveryRow)).one()


@pytest.fixture
def registered(quiet_ann: Person) -> Person:
    """A registration that has not been reported yet."""
    quiet_ann.register()
    return quiet_ann


def test_a_receiver_with_the_library_of_standard_webhooks_verifies_a_message(
    receiver: Receiver, environ: dict[str, str], redis: Redis
) -> None:
    """With the time of the system, which the library checks."""
    app = create_app(load(AuthSettings, environ | {"WEBHOOKS": endpoint_toml(receiver.url)}), clock=ShiftedClock())
    with app.app_context():
        Person(app.test_client()).register()
        assert send(services()) == 1
        body = row().body
        services().redis.close()
        db.engine.dispose()
    (headers,) = receiver.headers
    assert Webhook(SECRET).verify(body, headers)["type"] == "user.created"
    assert headers["content-type"] == "application/json"


def test_after_a_500_the_same_message_is_sent_again_with_the_same_id(
    sending: Services, registered: Person, receiver: Receiver, clock: MovableClock
) -> None:
    receiver.answers = [500, 429, 302]
    for delay in DELAYS[:3]:
        assert send(sending) == 0
        assert send(sending) == 0  # it is not due
        clock.move(delay * LONGEST_DELAY)
    assert send(sending) == 1
    assert len(receiver.ids) == 4
    assert len(set(receiver.ids)) == 1
    stamps = [int(headers["webhook-timestamp"]) for headers in receiver.headers]
    assert stamps == sorted(set(stamps))  # signed anew, because receivers refuse old times
    assert receiver.types == ["user.created"]
    assert (row().status, row().attempts, row().status_code) == ("delivered", 4, 204)


def test_a_redirect_is_not_followed(
    sending: Services, registered: Person, receiver: Receiver, clock: MovableClock
) -> None:
    def redirect(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(307)
        handler.send_header("Location", other.url)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    with running_receiver(Receiver()) as other:
        receiver.answers = [redirect]
        assert send(sending) == 0
        assert other.ids == []
    assert (row().status_code, row().detail) == (307, "redirects are not followed")


def test_a_message_is_given_up_after_three_days_and_can_be_replayed(
    sending: Services, registered: Person, receiver: Receiver, clock: MovableClock
) -> None:
    receiver.answers = [500] * 10
    began = clock()
    with capture_logs() as logged:
        for delay in DELAYS:
            send(sending)
            clock.move(delay * LONGEST_DELAY)
        send(sending)
    assert [line["event"] for line in logged] == ["webhook_delayed"] * 9 + ["webhook_failed"]
    assert 3 * DAY < clock() - began < 4 * DAY
    assert (row().status, row().due_at) == ("failed", None)
    clock.move(DAY)
    assert send(sending) == 0
    assert sending.webhooks.outbox.replay(row().id, clock())
    assert send(sending) == 1
    assert len(set(receiver.ids)) == 1


def test_jitter_keeps_failed_messages_apart(
    app: Flask, sending: Services, receiver: Receiver, clock: MovableClock
) -> None:
    receiver.answers = [500] * 20
    for number in range(20):
        Person(app.test_client(), f"user{number}@example.org").register()
    send(sending)
    due = {due_at for due_at in db.session.scalars(select(WebhookDeliveryRow.due_at)) if due_at}
    assert len(due) > 10
    assert max(due) - min(due) <= DELAYS[0] * 0.4


def test_a_process_that_died_after_sending_causes_the_same_message_again(
    make_app: MakeApp, webhooks_file: Path, registered: Person, receiver: Receiver, clock: MovableClock
) -> None:
    """The claim of the dead process ends, and another one sends the message with the same id."""
    dying = make_app(WEBHOOKS_FILE=str(webhooks_file))

    class Killed(BaseException):
        """Stands for the end of a process."""

    def die(*_: object) -> None:
        raise Killed

    with dying.app_context():
        sender = services().webhooks.sender
        sender._record_arrived = lambda lane: die() if lane.unrecorded else None  # type: ignore[method-assign]
        with pytest.raises(Killed):
            sender.send_due()
    other = make_app(WEBHOOKS_FILE=str(webhooks_file))
    with other.app_context():
        assert send(services()) == 0
        clock.move(CLAIM_SECONDS)
        assert send(services()) == 1
        assert row().status == "delivered"
    assert len(receiver.ids) == 2
    assert len(set(receiver.ids)) == 1


def test_while_the_database_does_not_answer_an_arrived_message_is_not_sent_again(
    sending: Services,
    registered: Person,
    receiver: Receiver,
    clock: MovableClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise StoreUnavailable("no database")

    with monkeypatch.context() as broken:
        broken.setattr(SqlWebhookOutbox, "record_success", fail)
        with pytest.raises(StoreUnavailable):
            send(sending)
    clock.move(CLAIM_SECONDS)
    assert send(sending) == 0
    assert len(receiver.ids) == 1
    assert row().status == "delivered"


def test_workers_that_send_at_once_send_each_message_once(
    make_app: MakeApp, webhooks_file: Path, receiver: Receiver
) -> None:
    apps = [make_app(WEBHOOKS_FILE=str(webhooks_file)) for _ in range(3)]
    for number in range(30):
        Person(apps[0].test_client(), f"user{number}@example.org").register()
    arrived: list[int] = []

    def run(app: Flask) -> None:
        with app.app_context():
            arrived.append(send(services()))

    threads = [threading.Thread(target=run, args=(app,)) for app in apps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(arrived) == 30
    assert len(receiver.ids) == len(set(receiver.ids)) == 30


def test_one_process_sends_to_an_endpoint_in_the_order_of_the_changes(
    app: Flask, sending: Services, receiver: Receiver
) -> None:
    people = [Person(app.test_client(), f"user{number}@example.org") for number in range(5)]
    for person in people:
        person.register()
    send(sending)
    assert [body["data"]["email"] for body in receiver.received] == [person.email for person in people]


def test_a_410_disables_the_endpoint_and_enabling_sends_what_waits(
    sending: Services, app: Flask, registered: Person, receiver: Receiver
) -> None:
    receiver.answers = [410]
    with capture_logs() as logged:
        send(sending)
    assert [line["event"] for line in logged] == ["webhook_failed", "webhook_endpoint_disabled"]
    Person(app.test_client(), "bob@example.org").register()
    assert send(sending) == 0
    assert len(receiver.ids) == 1
    assert sending.webhooks.outbox.enable("crm")
    assert send(sending) == 1
    assert receiver.received[0]["data"]["email"] == "bob@example.org"


def test_an_endpoint_that_fails_for_five_days_is_disabled(
    sending: Services, app: Flask, registered: Person, receiver: Receiver, clock: MovableClock
) -> None:
    receiver.answers = [500] * 50
    send(sending)
    clock.move(DISABLE_AFTER - 1)
    Person(app.test_client(), "bob@example.org").register()
    send(sending)
    assert sending.webhooks.outbox.states()[0].disabled_at is None
    clock.move(1)
    Person(app.test_client(), "eve@example.org").register()
    with capture_logs() as logged:
        send(sending)
    assert "webhook_endpoint_disabled" in [line["event"] for line in logged]
    assert sending.webhooks.outbox.states()[0].disabled_at == clock()


def test_one_success_ends_the_time_of_failing(
    sending: Services, app: Flask, registered: Person, receiver: Receiver, clock: MovableClock
) -> None:
    receiver.answers = [500]
    send(sending)
    assert [state.name for state in sending.webhooks.outbox.states()] == ["crm"]
    clock.move(DELAYS[0] * LONGEST_DELAY)
    send(sending)
    assert sending.webhooks.outbox.states() == []


def test_an_endpoint_that_does_not_respond_is_left_alone_for_a_while_and_its_messages_wait(
    sending: Services, app: Flask, receiver: Receiver, clock: MovableClock
) -> None:
    for number in range(10):
        Person(app.test_client(), f"user{number}@example.org").register()
    receiver.answers = [503] * 2
    send(sending)
    send(sending)
    assert len(receiver.ids) == 1
    clock.move(3)
    send(sending)
    assert len(receiver.ids) == 2
    clock.move(10)
    assert send(sending) == 10


def test_retry_after_is_respected(
    sending: Services, registered: Person, receiver: Receiver, clock: MovableClock
) -> None:
    def busy(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(429)
        handler.send_header("Retry-After", "120")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    receiver.answers = [busy]
    send(sending)
    clock.move(119)
    assert send(sending) == 0
    clock.move(1)
    assert send(sending) == 1


def test_an_endpoint_that_fails_does_not_keep_others_waiting(
    make_app: MakeApp, receiver: Receiver, clock: MovableClock
) -> None:
    with running_receiver(Receiver()) as other:
        text = endpoint_toml(receiver.url) + endpoint_toml(other.url, "billing", events='["user.*"]')
        app = make_app(WEBHOOKS=text)
        receiver.answers = [500]
        ann = Person(app.test_client())
        ann.register()
        ann.log_in()
        with app.app_context():
            send(services())
            assert other.types == ["user.created"]
            assert receiver.types == ["session.created"]
            logged = services().webhooks.outbox.page(DeliveryFilter(), before=None, limit=9)
            assert {entry.endpoint for entry in logged} == {"crm", "billing"}
        assert receiver.ids[0] == other.ids[0]  # one message has one id


def test_a_secret_is_replaced_without_a_restart_and_both_sign_meanwhile(
    app: Flask, sending: Services, webhooks_file: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.secret_rotation.watched_secret.CHECK_SECONDS", 0.0)
    steps = ((SECRET,), (NEXT_SECRET, SECRET), (NEXT_SECRET,))
    known_to_receiver = (SECRET, SECRET, NEXT_SECRET)
    for number, (secrets, known) in enumerate(zip(steps, known_to_receiver, strict=True)):
        webhooks_file.write_text(endpoint_toml(receiver.url, secrets=secrets), encoding="utf-8")
        receiver.secret = known
        Person(app.test_client(), f"user{number}@example.org").register()
        assert send(sending) == 1
        assert len(receiver.headers[-1]["webhook-signature"].split(" ")) == len(secrets)


def test_a_file_with_an_error_changes_nothing_while_the_service_runs(
    app: Flask, sending: Services, webhooks_file: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.secret_rotation.watched_secret.CHECK_SECONDS", 0.0)
    webhooks_file.write_text('[endpoints.crm]\nurl = "ftp://x"\nsecrets = ["whsec_short"]\n', encoding="utf-8")
    with capture_logs() as logged:
        Person(app.test_client()).register()
        assert send(sending) == 1
    (rejected,) = [line for line in logged if line["event"] == "secret_rejected"]
    assert rejected["error"] == "endpoints.crm.url must be an https:// URL"


def test_the_log_names_neither_the_url_nor_what_the_receiver_wrote(
    sending: Services, registered: Person, receiver: Receiver
) -> None:
    def echo(handler: BaseHTTPRequestHandler) -> None:
        content = b"no account ann@example.org\x00\x1b[31m" + b"x" * 10_000
        handler.send_response(500)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    receiver.answers = [echo]
    with capture_logs() as logged:
        send(sending)
    assert "ann@" not in repr(logged)
    assert "127.0.0.1" not in repr(logged)
    assert row().detail.startswith("no account ann@example.org\N{REPLACEMENT CHARACTER}")
    assert len(row().detail) <= 200


def test_each_endpoint_has_a_thread_that_ends_with_the_process(sending: Services) -> None:
    jobs = sending.webhooks.jobs
    before = set(threading.enumerate())
    jobs.start_missing()
    jobs.start_missing()
    assert [thread.name for thread in set(threading.enumerate()) - before] == ["webhooks crm"]
    jobs.stop(5)
    assert not set(threading.enumerate()) - before
