"""The sending job: every mail of the outbox arrives once, whatever the server and the database do."""

import os
import re
from collections.abc import Iterator

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs
from structlog.typing import EventDict

from auth_service.accounts.mail_tokens import Purpose, decode_uid
from auth_service.accounts.user import AccountStatus, NewUser, User
from auth_service.jobs.mail import CLAIM_SECONDS
from auth_service.mail.outbox import MailKind, NewMail, QueuedMail
from auth_service.mail.retry_policy import GIVE_UP_AFTER, LONGEST_DELAY
from auth_service.services import Services, services
from auth_service.storage.mail_outbox import SqlMailOutbox
from auth_service.storage.models import MailRow, db
from auth_service.store_errors import StoreUnavailable
from tests.auth_service.conftest import MakeApp
from tests.auth_service.mail.conftest import APP_URL, smtp_environ
from tests.auth_service.mail.smtp_server import MailServer
from tests.clocks import MovableClock

HOUR = 3_600
MAILS = 500 if os.environ.get("SALLYPORT_FAULTS") else 100


@pytest.fixture
def parts(make_app: MakeApp, server: MailServer) -> Iterator[Services]:
    """The services of an application that sends its mails to `server`."""
    with make_app(**smtp_environ(server)).app_context():
        yield services()


@pytest.fixture
def ann(parts: Services) -> User:
    return register(parts, "ann@example.org")


def register(parts: Services, email: str, status: AccountStatus = AccountStatus.ACTIVE, language: str = "") -> User:
    """Register a user with this status."""
    return parts.users.register(NewUser(email, "hash", status=status, language=language), parts.clock())


def add(
    parts: Services, email: str = "ann@example.org", kind: MailKind = MailKind.PASSWORD_RESET, **more: str
) -> None:
    parts.outbox.add(NewMail(kind, email, **more), parts.clock())  # type: ignore[arg-type]


def failed_mails() -> list[MailRow]:
    db.session.rollback()
    return list(db.session.scalars(select(MailRow).where(MailRow.failed_at.is_not(None))))


def names(logged: list[EventDict]) -> list[str]:
    return [line["event"] for line in logged]


def test_a_reset_arrives_with_a_link_that_is_valid_from_when_it_was_sent(
    parts: Services, ann: User, server: MailServer, clock: MovableClock
) -> None:
    add(parts)
    clock.move(HOUR)
    assert parts.sending.run_once() == 1
    (mail,) = server.received
    assert mail.recipient == "ann@example.org"
    assert mail.message["subject"] == "Reset your password at Example"
    assert mail.message["from"] == "Example <no-reply@example.org>"
    assert mail.message["auto-submitted"] == "auto-generated"
    assert mail.message["date"].datetime.timestamp() == clock()
    found = re.fullmatch(rf"{APP_URL}/password/reset/confirm/([^/]+)/([^/]+)", mail.link)
    assert found
    assert decode_uid(found[1]) == ann.id
    assert parts.mail_tokens.verify(Purpose.PASSWORD_RESET, ann, found[2], clock() + HOUR)
    assert mail.link in mail.text("html")
    assert parts.outbox.waiting() == 0


def test_the_token_is_neither_in_the_outbox_nor_in_the_log_and_addresses_are_not_logged(
    parts: Services, ann: User, server: MailServer, clock: MovableClock
) -> None:
    with capture_logs() as logged:
        add(parts)
        stored = repr([vars(row) for row in db.session.scalars(select(MailRow))])
        server.replies["DATA"] = ["451 4.7.1 greylisted <ann@example.org>"]
        parts.sending.run_once()
        clock.move(60)
        parts.sending.run_once()
    token = server.received[0].link.rpartition("/")[2]
    assert names(logged) == ["mail_delayed", "mail_sent"]
    assert token not in stored
    assert token not in repr(logged)
    assert "ann@" not in repr(logged)
    assert logged[0]["error"] == "the server did not take the message: 451 4.7.1 greylisted <[address]>"
    assert logged[1]["receipt"] == "250 2.0.0 OK: queued as 1"
    assert server.received[0].message["message-id"] == f"<{logged[1]['mail']}@example.org>"


def test_mails_that_were_requested_during_an_outage_all_arrive_once(
    parts: Services, server: MailServer, clock: MovableClock
) -> None:
    people = [f"user{number}@example.org" for number in range(MAILS)]
    for email in people:
        register(parts, email)
    server.stop()
    with capture_logs() as logged:
        for email in people:
            add(parts, email)
            clock.move(HOUR / len(people))
            parts.sending.run_once()
        server.start()
        clock.move(72)  # the longest pause of 60 seconds, and a fifth more
        assert parts.sending.run_once() == MAILS
    assert sorted(mail.recipient for mail in server.received) == sorted(people)
    assert len({mail.message["message-id"] for mail in server.received}) == MAILS
    assert server.connections == MAILS / 50
    assert parts.outbox.waiting() == 0
    assert set(names(logged)) == {"mail_server_unavailable", "mail_sent"}
    assert 50 <= names(logged).count("mail_server_unavailable") <= 80
    assert not failed_mails()


STATUSES = [
    (MailKind.ACTIVATION, {AccountStatus.UNVERIFIED}),
    (MailKind.PASSWORD_RESET, {AccountStatus.UNVERIFIED, AccountStatus.ACTIVE}),
    (MailKind.EMAIL_RESET, {AccountStatus.ACTIVE}),
    (MailKind.INVITATION, {AccountStatus.UNVERIFIED}),
]


@pytest.mark.parametrize(("kind", "statuses"), STATUSES)
def test_a_link_is_sent_only_to_an_account_that_may_use_it(
    parts: Services, server: MailServer, kind: MailKind, statuses: set[AccountStatus]
) -> None:
    for status in AccountStatus:
        register(parts, f"{status}@example.org", status)
    parts.sending.run_once()  # the activation mail of the unverified account
    server.received.clear()
    for status in AccountStatus:
        add(parts, f"{status}@example.org", kind)
    add(parts, "unknown@example.org", kind)
    with capture_logs() as logged:
        parts.sending.run_once()
    assert {mail.recipient for mail in server.received} == {f"{status}@example.org" for status in statuses}
    assert names(logged).count("mail_dropped") == 4 - len(statuses)
    assert parts.outbox.waiting() == 0


def test_a_link_goes_to_the_address_of_the_account_and_not_to_another_spelling(
    parts: Services, server: MailServer
) -> None:
    """As in CVE-2019-19844, where a look-alike address got the link of another account."""
    register(parts, "Mike@Example.org")
    add(parts, "\uff4dike@example.org")
    add(parts, "mike@EXAMPLE.org")
    parts.sending.run_once()
    assert {mail.recipient for mail in server.received} == {"Mike@example.org"}


def test_notices_go_to_the_given_address_without_a_link(parts: Services, server: MailServer) -> None:
    register(parts, "new@example.com", language="fr")
    context = {"new_email": "new@example.com"}
    parts.outbox.add(NewMail(MailKind.EMAIL_CHANGED, "old@example.org", context=context), parts.clock())
    add(parts, "old@example.org", MailKind.PASSWORD_CHANGED)
    add(parts, "new@example.com", MailKind.CONFIRMATION)
    parts.sending.run_once()
    changed, password, confirmation = server.received
    assert changed.recipient == "old@example.org"
    assert "from old@example.org to new@example.com" in changed.text()
    assert "2027-01-15 08:00 UTC" in password.text()
    assert confirmation.message["subject"] == "Votre compte sur Example est actif"
    assert not any("/reset/" in mail.text() for mail in server.received)


@pytest.mark.parametrize(
    ("of_account", "header", "language"),
    [
        ("", "", "en"),
        ("", "fr-CH, fr;q=0.9, en;q=0.8", "fr"),
        ("", "de, en;q=0.5, fr;q=0.4", "en"),
        ("", "\x00;;;q=q", "en"),
        ("fr", "en", "fr"),
        ("fr-CA", "en", "fr"),
        ("xx", "fr", "fr"),
    ],
)
def test_the_language_is_that_of_the_account_or_of_the_request(
    parts: Services, server: MailServer, of_account: str, header: str, language: str
) -> None:
    register(parts, "ann@example.org", language=of_account)
    add(parts, accept_language=header)
    parts.sending.run_once()
    (mail,) = server.received
    assert b"quoted-printable" not in mail.content
    assert mail.message["content-language"] == language
    assert f'<html lang="{language}">' in mail.text("html")


def test_a_mail_that_is_delayed_is_tried_again_less_and_less_often_and_given_up_after_three_days(
    parts: Services, ann: User, server: MailServer, clock: MovableClock
) -> None:
    add(parts)
    server.replies["RCPT"] = ["450 4.2.0 greylisted"] * 1_000
    began, waits = clock(), []
    with capture_logs() as logged:
        while not failed_mails():
            assert parts.sending.run_once() == 0
            due = db.session.scalar(select(MailRow.due_at))
            if due:
                waits.append(due - clock())
                clock.move(due - clock() if len(waits) < 15 else 24 * HOUR)
    for wait, expected in zip(waits, [30, 60, 120, 240, 480], strict=False):
        assert 0.8 * expected <= wait <= 1.2 * expected
    assert len(set(waits)) == len(waits), "the jitter differs each time"
    assert LONGEST_DELAY * 0.8 <= max(waits) <= 1.2 * LONGEST_DELAY
    assert GIVE_UP_AFTER <= clock() - began <= GIVE_UP_AFTER + 24 * HOUR
    assert names(logged) == ["mail_delayed"] * len(waits) + ["mail_failed"]
    assert logged[-1]["attempts"] == len(waits) + 1


def test_a_refused_mail_is_kept_as_failed_and_delays_no_other(
    parts: Services, ann: User, server: MailServer, clock: MovableClock
) -> None:
    register(parts, "bob@example.org")
    add(parts)
    clock.move(1)
    add(parts, "bob@example.org")
    server.replies["RCPT"] = ["550 5.1.1 <ann@example.org> unknown"]
    with capture_logs() as logged:
        assert parts.sending.run_once() == 1
    assert names(logged) == ["mail_failed", "mail_sent"]
    assert [mail.recipient for mail in server.received] == ["bob@example.org"]
    (failed,) = failed_mails()
    assert (failed.due_at, failed.failed_at, failed.attempts) == (None, clock(), 1)
    clock.move(31 * 24 * HOUR)
    parts.retention.run_once()
    assert not failed_mails()


def test_an_address_that_cannot_get_mails_is_given_up(parts: Services, server: MailServer) -> None:
    for email in ("no address", "a@b.co\r\nBcc: eve@example.org", "<ann@example.org>", "a@b@c.example.org"):
        add(parts, email, MailKind.CONFIRMATION)
    assert parts.sending.run_once() == 0
    assert len(failed_mails()) == 4
    assert not server.received


def test_an_unavailable_server_is_tried_once_per_pause_and_no_mail_counts_it(
    parts: Services, ann: User, server: MailServer, clock: MovableClock
) -> None:
    for _ in range(5):
        add(parts)
    server.replies["MAIL"] = ["451 4.3.2 not now"] * 2
    with capture_logs() as logged:
        for _ in range(3):
            parts.sending.run_once()
    assert [(line["event"], line["waiting"]) for line in logged] == [("mail_server_unavailable", 5)]
    assert server.connections == 1
    clock.move(36)
    parts.sending.run_once()
    clock.move(72)
    with capture_logs() as logged:
        assert parts.sending.run_once() == 5
    assert {line["attempts"] for line in logged} == {1}


def test_a_mail_that_was_sent_while_the_database_fails_is_not_sent_again(
    parts: Services, ann: User, server: MailServer, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove, failures = SqlMailOutbox.remove, iter([True, True, False])

    def fail_twice(outbox: SqlMailOutbox, mail: QueuedMail) -> None:
        if next(failures, False):
            raise StoreUnavailable("the disk is full")
        remove(outbox, mail)

    monkeypatch.setattr(SqlMailOutbox, "remove", fail_twice)
    add(parts)
    for _ in range(3):
        parts.sending.run_once()
    clock.move(2 * CLAIM_SECONDS)
    parts.sending.run_once()
    assert len(server.received) == 1
    assert parts.outbox.waiting() == 0


def test_a_stopped_sender_finishes_its_mail_and_leaves_the_others(
    parts: Services, ann: User, server: MailServer
) -> None:
    for _ in range(3):
        add(parts)
    server.watch = lambda stage: parts.mail_sender.stop() if stage == "ACCEPTED" else None
    assert parts.sending.run_once() == 1
    assert len(server.received) == 1
    assert parts.outbox.waiting() == 2


def test_a_template_that_fails_delays_the_mail(
    parts: Services, ann: User, server: MailServer, clock: MovableClock
) -> None:
    """An error that the check at the start did not find, such as a missing value, loses no mail."""
    parts.outbox.add(NewMail(MailKind.EMAIL_CHANGED, "ann@example.org"), clock())
    with capture_logs() as logged:
        parts.sending.run_once()
    assert names(logged) == ["mail_delayed"]
    assert "the mail email_changed in en cannot be rendered: 'new_email' is undefined" in logged[0]["error"]
    assert parts.outbox.waiting() == 1
