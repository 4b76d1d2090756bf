"""The test message of the operator, and the folder that keeps mails without a server."""

import email
import email.policy
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from auth_service.accounts.user import NewUser
from auth_service.mail.diagnostics import send_test_mail
from auth_service.mail.outbox import MailKind, NewMail
from auth_service.mail.settings import MailSettings
from auth_service.services import Services, services
from chassis.settings import load
from tests.auth_service.conftest import MakeApp
from tests.auth_service.mail.conftest import smtp_environ
from tests.auth_service.mail.smtp_server import MailServer, mail_server
from tests.clocks import MovableClock

NOW = 1_800_000_000.0

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


def try_mail(address: str, **environ: str) -> tuple[bool, list[str]]:
    """Return whether a test message was accepted, and the reported lines."""
    lines: list[str] = []
    settings = load(MailSettings, environ)
    return send_test_mail(address, settings=settings, now=NOW, report=lines.append), lines


def test_a_test_message_is_sent_and_each_step_is_reported(server: MailServer) -> None:
    is_sent, lines = try_mail("ann@bücher.example", **smtp_environ(server), MAIL_LANGUAGE="fr")
    assert is_sent
    assert lines == [
        "sender: no-reply@example.org; links begin with https://app.example.org",
        "sending to ann@xn--bcher-kva.example",
        f"connecting to 127.0.0.1:{server.port} with SMTP_SECURITY=none",
        "the server greets with: 220 mail.test Python SMTP 1.4.6",
        "the server accepted the message: 250 2.0.0 OK: queued as 1",
        "accepted: 250 2.0.0 OK: queued as 1",
    ]
    assert server.received[0].message["subject"] == "Message d'essai de Example"


def test_a_failure_is_reported_whole_and_without_the_password() -> None:
    with mail_server(MailServer(credentials=("app", "right"))) as server:
        environ = {**smtp_environ(server), "SMTP_USER": "app", "SMTP_PASSWORD": "hunter2"}
        is_sent, lines = try_mail("ann@example.org", **environ)
    assert not is_sent
    assert "refused the log-in: 535 5.7.8 Authentication credentials invalid (check SMTP_USER and" in lines[-1]
    assert "hunter2" not in repr(lines)


def test_a_refused_address_is_reported(server: MailServer) -> None:
    server.replies["RCPT"] = ["550 5.1.1 no such user"]
    is_sent, lines = try_mail("ann@example.org", **smtp_environ(server))
    assert (is_sent, lines[-1]) == (False, "the server refused the recipient: 550 5.1.1 no such user")
    is_sent, lines = try_mail("ann@", **smtp_environ(server))
    assert (is_sent, lines[-1]) == (False, "ann@ is not a valid e-mail address")


@pytest.fixture
def kept(make_app: MakeApp, tmp_path: Path) -> Iterator[Services]:
    """The services of an application without an SMTP server."""
    with make_app(DATA_DIR=str(tmp_path / "data")).app_context():
        yield services()


def test_without_a_server_a_mail_is_a_file_that_only_its_owner_reads(
    kept: Services, tmp_path: Path, clock: MovableClock
) -> None:
    """The link in it is whole, so that it can be copied; the log has the path and neither link nor address."""
    kept.users.register(NewUser("ann@example.org", "hash", language="fr"), clock())
    kept.outbox.add(NewMail(MailKind.PASSWORD_RESET, "ann@example.org"), clock())
    with capture_logs() as logged:
        assert kept.sending.run_once() == 1
    (file,) = (tmp_path / "data" / "mail").iterdir()
    assert file.name.startswith("2027-01-15T0800-password_reset-")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert message["to"] == "ann@example.org"
    assert "Réinitialisez votre mot de passe sur localhost" in str(message["subject"])
    text = file.read_text()
    (link,) = [
        line for line in text.splitlines() if line.startswith("http://localhost:8000/auth/password/reset/confirm/?")
    ]
    assert "Choisissez un nouveau mot de passe\u202f:" in text
    assert [line["receipt"] for line in logged] == [f"kept in {file}"]
    assert link.rpartition("=")[2] not in repr(logged)


def test_a_folder_that_cannot_be_written_keeps_the_mail_in_the_outbox(
    kept: Services, tmp_path: Path, clock: MovableClock
) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    kept.outbox.add(NewMail(MailKind.CONFIRMATION, "ann@example.org"), clock())
    with capture_logs() as logged:
        kept.sending.run_once()
    assert logged[0]["event"] == "mail_server_unavailable"
    assert "cannot be written: Not a directory" in logged[0]["error"]
    (tmp_path / "data").unlink()
    clock.move(40)
    assert kept.sending.run_once() == 1
