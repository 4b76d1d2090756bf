"""The service with an SMTP server that accepts every mail."""

import os
from collections.abc import Iterator

import pytest

from tests.auth_service.mail.smtp_server import HOST, MailServer, mail_server

# These tests kill processes and take a minute: `make test-faults` runs them, `make test` does not.
collect_ignore = [] if os.environ.get("SALLYPORT_FAULTS") else ["test_sending_processes.py"]

APP_URL = "https://app.example.org"


def smtp_environ(server: MailServer) -> dict[str, str]:
    """Return the settings that make the service send its mails to `server`."""
    return {
        "SMTP_HOST": HOST,
        "SMTP_PORT": str(server.port),
        "SMTP_SECURITY": "none",
        "SMTP_TIMEOUT": "5",
        "MAIL_FROM": "Example <no-reply@example.org>",
        "APP_URL": APP_URL,
        "SITE_NAME": "Example",
    }


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server(MailServer()) as running:
        yield running
