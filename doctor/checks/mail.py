"""Mails that are not sent."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from doctor.finding import Problem, error, warning

if TYPE_CHECKING:
    from auth_service.settings import AuthSettings
    from doctor.probes.database import OutboxFacts

LATE_SECONDS, OVERDUE_SECONDS = 600.0, 7_200.0
"""Ages of the oldest mail that waits. Retries of a single mail may take an hour."""


def server(problem: str) -> Iterator[Problem]:
    """Return whether the SMTP server cannot be used."""
    if problem:
        yield error(
            f"Mails cannot be sent: {problem}.",
            "Correct SMTP_*; `make auth ARGS='mail test you@example.org'` tries them (docs/mail.md).",
        )


def settings(auth: "AuthSettings", is_production: bool) -> Iterator[Problem]:
    """Return whether mails are only written to files, or their links lead nowhere."""
    if auth.smtp_host is None and is_production:
        yield warning(
            f"SMTP_HOST is not set in production: mails are kept in {auth.mail_folder}, and nobody can reset a "
            "password.",
            "Set SMTP_HOST, MAIL_FROM and PUBLIC_URL (docs/mail.md).",
        )
    elif auth.smtp_host and not (auth.app_url or auth.public_url):
        yield warning(
            "SMTP_HOST is set, and neither PUBLIC_URL nor APP_URL: links in mails lead to http://localhost:8000.",
            "Set PUBLIC_URL to the URL of the gateway for clients.",
        )


def backlog(outbox: "OutboxFacts | None") -> Iterator[Problem]:
    """Return whether mails wait for too long, or were given up."""
    if outbox is None:
        return
    if outbox.waiting and outbox.oldest_seconds > LATE_SECONDS:
        minutes = outbox.oldest_seconds / 60
        cause = f"{outbox.waiting} mails wait in the outbox, the oldest for {minutes:.0f} minutes."
        remedy = "Check the SMTP server; `mail_delayed` in the log has its reply (docs/runbooks/mails-waiting.md)."
        yield error(cause, remedy) if outbox.oldest_seconds > OVERDUE_SECONDS else warning(cause, remedy)
    if outbox.failed:
        yield warning(
            f"{outbox.failed} mails were given up in the last day.",
            "`mail_failed` in the log has the reason for each (docs/runbooks/mails-failed.md).",
        )
