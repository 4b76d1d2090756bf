"""Build the message of a mail: safe headers, a plain text and an HTML alternative (RFC 5322, RFC 2045, RFC 2046)."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from auth_service.mail.mailbox import Mailbox, wire_address

LONGEST_LINE = 900
"""Bytes of a line that is sent as it is. SMTP allows 998 (RFC 5321 section 4.5.3.1.6)."""

# 76: the longest line of base64 and of encoded words (RFC 2045 6.8, RFC 2047 2); the default is 78.
# 7bit: the server need not support 8BITMIME, and smtplib would not check it.
_POLICY = SMTP.clone(max_line_length=76, cte_type="7bit")
_READABLE_POLICY = SMTP.clone(max_line_length=76, cte_type="8bit", linesep="\n")


@dataclass(frozen=True, slots=True, repr=False)
class Content:
    """The rendered texts of a mail."""

    language: str
    subject: str
    text: str
    html: str


def build_message(content: Content, sender: Mailbox, recipient: str, message_id: str, now: float) -> EmailMessage:
    """Return the message to `recipient`. `message_id` is without brackets. Raises ValueError for an invalid address.

    The header `Auto-Submitted` (RFC 3834), and the one that Exchange reads, prevent out-of-office replies.
    """
    message = EmailMessage(policy=_POLICY)
    message["From"] = sender.header
    message["To"] = _address(wire_address(recipient))
    message["Subject"] = _one_line(content.subject)
    message["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
    message["Message-ID"] = f"<{message_id}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(content.text, cte=_encoding(content.text))
    message.add_alternative(content.html, subtype="html", cte=_encoding(content.html))
    message["Content-Language"] = content.language  # after the parts, which would take it over
    return message


def as_bytes(message: EmailMessage) -> bytes:
    """Return the message for SMTP, in seven bits, with lines of at most 998 bytes that end with CRLF."""
    return message.as_bytes(policy=_POLICY)


def as_readable_bytes(message: EmailMessage) -> bytes:
    """Return the message for a file that people read: UTF-8 without base64."""
    for part in message.iter_parts():
        if isinstance(part, EmailMessage):
            subtype, text = part.get_content_subtype(), part.get_content()
            part.clear_content()
            part.set_content(text, subtype=subtype, cte="8bit")
    return message.as_bytes(policy=_READABLE_POLICY)


def _address(address: str) -> Address:
    local, _, domain = address.rpartition("@")
    return Address("", _unquoted(local), domain)


def _unquoted(local: str) -> str:
    """Return a local part as Address takes it: without quotes, which it adds where they are needed."""
    if not (local.startswith('"') and local.endswith('"')):
        return local
    characters = iter(local[1:-1])
    return "".join(next(characters, "") if character == "\\" else character for character in characters)


def _one_line(text: str) -> str:
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def _encoding(text: str) -> str:
    """Return the Content-Transfer-Encoding of a text.

    Never quoted-printable: it breaks a link into lines, and some servers and mail programs do not join them again.
    """
    is_plain = text.isascii() and max(map(len, text.splitlines()), default=0) <= LONGEST_LINE
    return "7bit" if is_plain else "base64"
