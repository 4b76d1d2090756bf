"""A message, and an SMTP transport that sends it to a server of a test."""

from dataclasses import replace

from auth_service.mail.mailbox import Mailbox, wire_address
from auth_service.mail.message import Content, as_bytes, build_message
from auth_service.mail.transports.interface import OutgoingMessage
from auth_service.mail.transports.smtp import SmtpServer, SmtpTransport
from tests.auth_service.mail.smtp_server import HOST

TOKEN = "t3xq5h-" + "Ab_-" * 10 + "Abc"
CONTENT = Content("en", "Hello", f"Open this:\n\nhttps://app.test/reset/abc/{TOKEN}\n", "<p>Open this</p>\n")


def message(recipient: str = "ann@example.org", content: Content = CONTENT) -> OutgoingMessage:
    """Return a message that waits to be sent."""
    sender = Mailbox("Example", "no-reply@example.org")
    built = build_message(content, sender, recipient, "id@example.org", 1_800_000_000.0)
    return OutgoingMessage("name", sender.address, wire_address(recipient), as_bytes(built))


def settings(port: int, **more: object) -> SmtpServer:
    """Return the settings of a server at a port, without TLS unless `more` says otherwise."""
    plain = SmtpServer(HOST, port, "none", "app.example.org", timeout=5.0)
    return replace(plain, **more)  # type: ignore[arg-type]


def send(server: SmtpServer, outgoing: OutgoingMessage | None = None) -> str:
    """Send a message on a connection of its own; return the server's reply."""
    transport = SmtpTransport(server)
    try:
        return transport.send(outgoing or message())
    finally:
        transport.close()
