"""Create the transport and the design of mails from the settings."""

from collections.abc import Callable

from auth_service.mail.design import MailDesign
from auth_service.mail.settings import MailSettings
from auth_service.mail.templates import Templates
from auth_service.mail.transports.folder import FolderTransport
from auth_service.mail.transports.interface import Transport
from auth_service.mail.transports.smtp import SmtpTransport


def open_transport(settings: MailSettings, report: Callable[[str], None] = lambda _: None) -> Transport:
    """Return the transport of the settings: the SMTP server, or the folder. `report` is called with each step."""
    server = settings.smtp_server
    return SmtpTransport(server, report) if server else FolderTransport(settings.mail_folder)


def mail_design(settings: MailSettings) -> MailDesign:
    """Return what all mails have in common."""
    return MailDesign(
        sender=settings.mail_sender,
        links=settings.links,
        templates=Templates(settings.templates_folder),
        site_name=settings.site_name or "",
        default_language=settings.mail_language,
        is_readable=settings.smtp_host is None,
    )
