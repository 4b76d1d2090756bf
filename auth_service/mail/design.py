"""What all mails of an installation have in common: the sender, the links, the templates and the name of the site."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from auth_service.mail.links import Links
from auth_service.mail.mailbox import Mailbox, wire_address
from auth_service.mail.message import as_bytes, as_readable_bytes, build_message
from auth_service.mail.templates import Templates, format_time
from auth_service.mail.transports.interface import OutgoingMessage


@dataclass(frozen=True, slots=True, repr=False)
class MailDesign:
    """Turns the texts of a mail into a message. `is_readable` is for messages that are kept as files."""

    sender: Mailbox
    links: Links
    templates: Templates
    site_name: str
    default_language: str
    is_readable: bool = False

    def message(
        self, section: str, message_id: str, recipient: str, language: str, values: Mapping[str, str], now: float
    ) -> OutgoingMessage:
        """Return the message. Raises TemplateProblem, or ValueError if `recipient` is not a valid address."""
        common = {
            "site_name": self.site_name or urlsplit(self.links.base).hostname or "",
            "site_url": self.links.base,
            "email": recipient,
            "link": "",
            "minutes": "",
        }
        content = self.templates.render(section, language, {**common, **values})
        message = build_message(content, self.sender, recipient, f"{message_id}@{self.sender.domain}", now)
        return OutgoingMessage(
            name=f"{format_time(now)[:16].replace(' ', 'T').replace(':', '')}-{section}-{message_id[:8]}",
            sender=self.sender.address,
            recipient=wire_address(recipient),
            content=as_readable_bytes(message) if self.is_readable else as_bytes(message),
        )
