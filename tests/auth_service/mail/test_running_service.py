"""The service under gunicorn sends mails by itself, and finishes the current one when it stops."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from auth_service.accounts.user import NewUser
from auth_service.mail.outbox import MailKind, NewMail
from auth_service.services import services
from tests.auth_service.conftest import MakeApp
from tests.auth_service.mail.conftest import smtp_environ
from tests.auth_service.mail.smtp_server import MailServer
from tests.auth_service.running_service import RunningService, wait_until

pytestmark = pytest.mark.system


@pytest.fixture
def service(environ: dict[str, str], server: MailServer, tmp_path: Path) -> Iterator[RunningService]:
    running = RunningService(tmp_path, environ | smtp_environ(server) | {"AUTH_WORKERS": "2"})
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """An application on the same database, which adds mails and sends none."""
    return make_app()


def add(app: Flask, *emails: str) -> None:
    with app.app_context():
        for email in emails:
            services().outbox.add(NewMail(MailKind.CONFIRMATION, email), time.time())


def waiting(app: Flask) -> int:
    with app.app_context():
        return services().outbox.waiting()


def test_its_processes_send_each_mail_once(service: RunningService, app: Flask, server: MailServer) -> None:
    with app.app_context():
        services().users.register(NewUser("ann@example.org", "hash"), time.time())
    emails = [f"user{number}@example.org" for number in range(20)]
    add(app, *emails)
    wait_until(lambda: waiting(app) == 0)
    assert sorted(mail.recipient for mail in server.received) == sorted(emails)
    sent = [line for line in service.lines() if line["event"] == "mail_sent"]
    assert len(sent) == 20
    assert "@" not in "".join(line["receipt"] + line["mail"] for line in sent)


def test_a_stop_waits_for_the_mail_that_is_being_sent(
    service: RunningService, app: Flask, server: MailServer
) -> None:
    """Otherwise the mail would arrive twice."""
    is_accepted = []

    def answer_slowly(stage: str) -> None:
        if stage == "ACCEPTED":
            is_accepted.append(stage)
            time.sleep(1.5)

    server.watch = answer_slowly
    add(app, "ann@example.org")
    wait_until(lambda: is_accepted)
    service.stop()
    assert len(server.received) == 1
    assert waiting(app) == 0
