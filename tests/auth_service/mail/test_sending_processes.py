"""Real processes that send, on SQLite and PostgreSQL: two at once, and one that is killed at every point."""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from auth_service.app import create_app
from auth_service.jobs.mail import CLAIM_SECONDS
from auth_service.mail.outbox import MailKind, NewMail
from auth_service.services import services
from auth_service.settings import AuthSettings
from auth_service.storage.models import db
from auth_service.storage.schema import install_migrations, upgrade
from chassis.settings import load
from stack.plan import ROOT
from tests.auth_service.mail.conftest import smtp_environ
from tests.auth_service.mail.smtp_server import MailServer
from tests.postgres import find_program, running_postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, migrated_database: Path, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{shutil.copy(migrated_database, tmp_path / 'auth.db')}"
    elif find_program("postgres") is None:
        pytest.skip("PostgreSQL is not installed")
    else:
        with running_postgres() as postgres:
            yield postgres.url


@dataclass
class Senders:
    """The outbox of a database, and processes that send its mails to `server`."""

    server: MailServer
    forking: subprocess.Popen[str]
    rounds: int = 0

    def add(self, number: int) -> list[str]:
        """Add mails to different addresses and return these."""
        emails = [f"user{index}@example.org" for index in range(number)]
        for email in emails:
            services().outbox.add(NewMail(MailKind.CONFIRMATION, email), services().clock())
        return emails

    def start(self) -> int:
        """Start a process and return its id. The claims of former rounds have ended for it."""
        return self._command(f"start {self.rounds * (CLAIM_SECONDS + 1)}")

    def wait(self, process: int) -> int:
        """Return the exit status of a process when it has ended."""
        return self._command(f"wait {process}")

    def _command(self, line: str) -> int:
        assert self.forking.stdin
        assert self.forking.stdout
        self.forking.stdin.write(line + "\n")
        self.forking.stdin.flush()
        return int(self.forking.stdout.readline())


@pytest.fixture
def senders(environ: dict[str, str], database_url: str, server: MailServer) -> Iterator[Senders]:
    settings = {**environ, "DATABASE_URL": database_url, **smtp_environ(server)}
    app = create_app(load(AuthSettings, settings))
    with app.app_context():
        install_migrations(app)
        upgrade()
        command = [sys.executable, "-m", "tests.auth_service.mail.sending_process"]
        variables = {**settings, "PATH": os.defpath, "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(
            command,
            env=variables,
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as forking:
            yield Senders(server, forking)
            forking.kill()
        services().redis.close()
        db.engine.dispose()


def test_two_processes_that_send_at_once_send_each_mail_once(senders: Senders) -> None:
    emails = senders.add(60)
    first, second = senders.start(), senders.start()
    assert (senders.wait(first), senders.wait(second)) == (0, 0)
    assert sorted(mail.recipient for mail in senders.server.received) == sorted(emails)
    assert services().outbox.waiting() == 0


def start_and_kill(senders: Senders, stage: str, at: int) -> int:
    """Start a process that is killed when it reaches `stage` of a message for the `at`th time; return its id."""
    is_started, reached = threading.Event(), Counter[str]()

    def kill(stage_reached: str) -> None:
        reached[stage_reached] += 1
        if stage_reached == stage and reached[stage] == at:
            assert is_started.wait(30)
            os.kill(process, signal.SIGKILL)

    senders.server.watch = kill
    process = senders.start()
    is_started.set()
    return process


STAGES = ["EHLO", "MAIL", "RCPT", "DATA", "ACCEPTED"]


def test_a_process_that_is_killed_loses_no_mail_and_sends_at_most_one_twice(senders: Senders) -> None:
    """At every stage of a message, and at random times between them."""
    server = senders.server
    emails = senders.add(40)
    chance = random.Random(20260504)
    kills = [*STAGES, *(chance.choice(STAGES) for _ in range(5))]
    for stage in kills:
        senders.rounds += 1
        at = 1 if stage == "EHLO" else chance.randrange(1, 4)
        assert senders.wait(start_and_kill(senders, stage, at)) == -signal.SIGKILL
    senders.rounds += 1
    assert senders.wait(senders.start()) == 0
    assert services().outbox.waiting() == 0
    arrived = Counter(mail.recipient for mail in server.received)
    assert sorted(arrived) == sorted(emails)
    assert arrived.total() - len(emails) <= len(kills)
    assert max(arrived.values()) <= 2
    ids = {mail.recipient: mail.message["message-id"] for mail in server.received}
    assert all(mail.message["message-id"] == ids[mail.recipient] for mail in server.received)
