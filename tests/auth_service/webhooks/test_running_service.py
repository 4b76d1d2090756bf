"""The service under gunicorn sends webhooks from every process, and finishes the current one when it stops."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from auth_service.services import services
from auth_service.webhooks.outbox import DeliveryFilter, DeliveryStatus
from tests.auth_service.conftest import MakeApp
from tests.auth_service.running_service import RunningService, wait_until
from tests.auth_service.webhooks.receiver import Receiver

pytestmark = pytest.mark.system


@pytest.fixture
def service(environ: dict[str, str], webhooks_file: Path, tmp_path: Path) -> Iterator[RunningService]:
    running = RunningService(tmp_path, environ | {"AUTH_WORKERS": "2", "WEBHOOKS_FILE": str(webhooks_file)})
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """An application on the same database, which reads the log and sends nothing."""
    return make_app()


def register(service: RunningService, number: int) -> None:
    document = {"email": f"user{number}@example.org", "password": "Tr0ub4dor&3x"}
    assert service.send("POST", "/auth/users/", document=document).status == 201


def delivered(app: Flask) -> int:
    wanted = DeliveryFilter(status=DeliveryStatus.DELIVERED)
    with app.app_context():
        return len(services().webhooks.outbox.page(wanted, before=None, limit=99))


def test_its_processes_send_each_message_once(service: RunningService, app: Flask, receiver: Receiver) -> None:
    for number in range(10):
        register(service, number)
    wait_until(lambda: delivered(app) == 10)
    assert len(receiver.ids) == len(set(receiver.ids)) == 10
    lines = [line for line in service.lines() if line["event"] == "webhook_delivered"]
    assert {line["endpoint"] for line in lines} == {"crm"}
    assert "127.0.0.1" not in "".join(map(str, lines))


def test_a_stop_waits_for_the_message_that_is_being_sent(
    service: RunningService, app: Flask, receiver: Receiver
) -> None:
    receiver.before_answer = lambda: time.sleep(1.5)
    register(service, 1)
    wait_until(lambda: receiver.ids)
    service.stop()
    assert len(receiver.ids) == delivered(app) == 1


def test_a_killed_process_leaves_its_message_to_others(
    service: RunningService, app: Flask, receiver: Receiver
) -> None:
    """Killed after the receiver had the message, and before that was recorded."""

    def kill() -> None:
        receiver.before_answer = lambda: None
        for worker in service.workers():
            os.kill(worker, signal.SIGKILL)

    receiver.before_answer = kill
    register(service, 1)
    wait_until(lambda: receiver.ids)
    with app.app_context():
        (left,) = services().webhooks.outbox.page(DeliveryFilter(), before=None, limit=9)
        assert left.status is DeliveryStatus.PENDING
        assert left.due_at
        claimed = services().webhooks.outbox.claim("crm", left.due_at, time.time())  # as if the claim had ended
        assert claimed
    wait_until(lambda: delivered(app) == 1)
    assert len(receiver.ids) == 2
    assert len(set(receiver.ids)) == 1
