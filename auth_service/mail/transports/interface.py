"""The interface of a transport, the message that it sends, and the errors that it raises.

The texts of the errors are for operators and for the log. They contain no token and no e-mail address of a user.
"""

import re
from dataclasses import dataclass
from typing import Protocol

from auth_service.accounts.mail_tokens import MAIL_TOKEN

MAX_REASON = 400
"""Characters of an error text."""

_ADDRESS = re.compile(r"[^\s<>\"'()\[\],;:]+@[^\s<>\"'()\[\],;:]+")


@dataclass(frozen=True, slots=True, repr=False)
class OutgoingMessage:
    """A message as bytes, with the addresses of its envelope in ASCII.

    `name` has the time, the kind and the id of the mail; it contains no address.
    """

    name: str
    sender: str
    recipient: str
    content: bytes


class TransportError(Exception):
    """A message was not sent. The text is the reason in the words of the operator."""

    def __init__(self, reason: str) -> None:
        super().__init__(masked(reason))


class TransportUnavailable(TransportError):
    """No message can be sent now: the server does not respond, or it refuses the connection, log-in or sender."""


class MailDelayed(TransportError):
    """This message cannot be sent now. A later attempt may succeed."""


class MailRejected(TransportError):
    """This message will never be accepted."""


class Transport(Protocol):
    """A way to send messages. One thread uses it."""

    def send(self, message: OutgoingMessage) -> str:
        """Send a message and return a receipt. Raises TransportUnavailable, MailDelayed or MailRejected."""

    def close(self) -> None:
        """Close the connection, if there is one. The next message opens another one."""


def masked(text: str) -> str:
    """Return `text` on one line, without mail tokens and e-mail addresses, which servers repeat in their replies."""
    line = " ".join(text.split())
    return _ADDRESS.sub("[address]", MAIL_TOKEN.sub("[token]", line))[:MAX_REASON]
