"""Try the settings of mails: send a test message and report each step and the whole reason of a failure."""

from collections.abc import Callable
from uuid import uuid4

from auth_service.mail.delivery import mail_design, open_transport
from auth_service.mail.settings import MailSettings
from auth_service.mail.texts import TEST, TemplateProblem
from auth_service.mail.transports.interface import TransportError

Report = Callable[[str], None]


def send_test_mail(address: str, *, settings: MailSettings, now: float, report: Report, language: str = "") -> bool:
    """Send a test message to `address` and return whether it was accepted.

    `report` is called with a line per step, and with the reason if one fails. It gets no password and no token.
    Nothing is retried, and the outbox is not used. `language` is MAIL_LANGUAGE by default.
    """
    design = mail_design(settings)
    transport = open_transport(settings, report)
    report(f"sender: {design.sender.address}; links begin with {design.links.base}")
    try:
        message = design.message(TEST, uuid4().hex, address, language or design.default_language, {}, now)
        report(f"sending to {message.recipient}")
        receipt = transport.send(message)
    except ValueError as error:
        report(f"{address} {error}")
        return False
    except (TransportError, TemplateProblem) as error:
        report(str(error))
        return False
    finally:
        transport.close()
    report(f"accepted: {receipt}")
    return True
