"""Connect to the SMTP server and log in, without sending a mail."""

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from auth_service.mail.transports.smtp import SmtpServer

TIMEOUT_SECONDS = 3.0
"""For the connection, and for each reply."""


def mail_server_problem(server: "SmtpServer") -> str:
    """Return why no mail can be sent by `server`; empty if it accepts the connection, TLS and the log-in."""
    from auth_service.mail.transports.interface import TransportUnavailable
    from auth_service.mail.transports.smtp import SmtpTransport

    transport = SmtpTransport(replace(server, timeout=min(server.timeout, TIMEOUT_SECONDS)))
    try:
        transport.connect()
    except TransportUnavailable as error:
        return str(error)
    finally:
        transport.close()
    return ""
