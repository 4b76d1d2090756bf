"""The mails that the auth service keeps in DATA_DIR/mail while there is no SMTP server."""

from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

MAX_MAILS = 20


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that was not sent."""

    to: str
    subject: str
    date: str
    text: str


class Mailbox:
    """The mails in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def latest(self) -> list[Mail]:
        """Return the latest mails, at most MAX_MAILS, the newest first. Mails that cannot be read are left out."""
        files = sorted(self._folder.glob("*.eml"), key=_modified_at, reverse=True)[:MAX_MAILS]
        return [mail for mail in map(_read, files) if mail is not None]


def _modified_at(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:  # the auth service has just removed it
        return 0.0


def _read(file: Path) -> Mail | None:
    try:
        message = BytesParser(policy=policy.default).parsebytes(file.read_bytes())
    except OSError:  # as above
        return None
    return Mail(
        str(message["To"] or ""),
        str(message["Subject"] or ""),
        str(message["Date"] or ""),
        _text(message),
    )


def _text(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    return str(body.get_content()) if body is not None else ""
