"""SMTP servers for tests: a real one (aiosmtpd) with scripted replies, and one that breaks the protocol."""

import asyncio
import email
import email.policy
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

HOST = "127.0.0.1"


class ClosingController(Controller):
    """Runs the server in a thread, and closes its connections at the end, which aiosmtpd leaves open."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._servers: list[SMTP] = []
        """One for each connection."""

    def factory(self) -> SMTP:
        """Return the server of a new connection."""
        server: SMTP = super().factory()  # type: ignore[no-untyped-call]  # aiosmtpd
        self._servers.append(server)
        return server

    def stop(self, no_assert: bool = False) -> None:
        """Close every connection and the listener, and end the thread."""
        asyncio.run_coroutine_threadsafe(self._close_connections(), self.loop).result(30)
        super().stop(no_assert)

    async def _close_connections(self) -> None:
        for server in self._servers:
            if isinstance(server.transport, asyncio.WriteTransport) and not server.transport.is_closing():
                server.transport.abort()
        await asyncio.sleep(0)  # the event loop closes the sockets in its next iteration


@dataclass(frozen=True)
class Received:
    """A message that the server accepted."""

    sender: str
    recipient: str
    content: bytes

    @property
    def message(self) -> EmailMessage:
        """Return the parsed message."""
        parsed = email.message_from_bytes(self.content, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    def text(self, subtype: str = "plain") -> str:
        """Return the text of a part."""
        part = self.message.get_body((subtype,))
        assert part
        return str(part.get_content()).replace("\r\n", "\n")

    @property
    def link(self) -> str:
        """Return the first link on a line of its own in the plain text."""
        found = re.search(r"^\S+://\S+$", self.text(), re.MULTILINE)
        assert found
        return found[0]


@dataclass
class MailServer:
    """A server that accepts every message, except where `replies` has others.

    `replies` maps a command to the replies to it, the next first; after the last, the command succeeds.
    """

    port: int = 0
    tls: ssl.SSLContext | None = None
    is_tls_at_once: bool = False
    credentials: tuple[str, str] | None = None
    auth_mechanisms_off: tuple[str, ...] = ()
    replies: dict[str, list[str]] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    hello_names: list[str] = field(default_factory=list)
    was_encrypted: list[bool] = field(default_factory=list)
    watch: Callable[[str], None] = lambda _: None
    """Called with EHLO, MAIL, RCPT and DATA before the reply, and with ACCEPTED when a message is kept."""
    _controller: ClosingController | None = None

    def start(self) -> None:
        """Listen, on the same port after a stop."""
        options: dict[str, Any] = {}
        if self.credentials:
            options = {
                "authenticator": self._authenticate,
                "auth_required": True,
                "auth_require_tls": False,
                "auth_exclude_mechanism": self.auth_mechanisms_off,
            }
        if self.tls and self.is_tls_at_once:
            options["ssl_context"] = self.tls
        elif self.tls:
            options |= {"tls_context": self.tls, "require_starttls": True}
        if not self.port:
            with socket.create_server((HOST, 0)) as free:
                self.port = free.getsockname()[1]
        self._controller = ClosingController(
            self, hostname=HOST, port=self.port, server_hostname="mail.test", **options
        )
        self._controller.start()

    def stop(self) -> None:
        """Close the listener and every connection."""
        if self._controller:
            self._controller.stop()
        self._controller = None

    def handle_exception(self, error: Exception) -> None:
        """Ignore connections that clients reset."""

    async def handle_EHLO(  # noqa: N802 - the name that aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Record the client."""
        self.watch("EHLO")
        self.connections += 1
        self.hello_names.append(hostname)
        session.host_name = hostname
        return responses

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Reply to MAIL FROM."""
        envelope.mail_from = address
        return self._next_reply("MAIL") or "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Reply to RCPT TO."""
        reply = self._next_reply("RCPT")
        if not reply:
            envelope.rcpt_tos.append(address)
        return reply or "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Reply to the end of the message, and keep an accepted one."""
        reply = self._next_reply("DATA")
        if reply:
            return reply
        content = envelope.original_content
        assert isinstance(content, bytes)
        self.was_encrypted.append(session.ssl is not None or self.is_tls_at_once)
        self.received.append(Received(str(envelope.mail_from), envelope.rcpt_tos[0], content))
        self.watch("ACCEPTED")
        return f"250 2.0.0 OK: queued as {len(self.received)}"

    def _next_reply(self, command: str) -> str | None:
        self.watch(command)
        waiting = self.replies.get(command)
        return waiting.pop(0) if waiting else None

    def _authenticate(self, server: SMTP, session: Session, envelope: Envelope, way: str, data: object) -> AuthResult:
        is_right = (
            isinstance(data, LoginPassword)
            and self.credentials is not None
            and (data.login.decode(), data.password.decode()) == self.credentials
        )
        return AuthResult(success=is_right, handled=is_right)


@contextmanager
def mail_server(server: MailServer) -> Iterator[MailServer]:
    """Run `server` for a block."""
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Talk:
    """The server's side of a connection, for servers that break the protocol."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._file = connection.makefile("rb")

    def close(self) -> None:
        """End the connection. The file refers to the socket as well, so closing the socket alone would not."""
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self._file.close()
        self.connection.close()

    def say(self, line: str) -> None:
        """Send a line."""
        self.connection.sendall(line.encode() + b"\r\n")

    def hear(self) -> str:
        """Return the next line of the client; "" after its end."""
        return self._file.readline().decode("utf-8", "replace").strip()

    def until_data(self) -> None:
        """Greet and accept every command up to DATA, and ask for the message."""
        self.say("220 mail.test")
        while not (command := self.hear()).upper().startswith("DATA"):
            if not command:
                return
            self.say("250 OK")
        self.say("354 go on")

    def until_end_of_message(self) -> None:
        """Read the message."""
        while self.hear() not in (".", ""):
            pass


@contextmanager
def broken_server(behave: Callable[[Talk], None]) -> Iterator[int]:
    """Run a server that calls `behave` for each connection and then closes it; yield its port."""
    listener = socket.create_server((HOST, 0))
    held: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        talk = Talk(connection)
        with suppress(OSError):
            behave(talk)
        talk.close()

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            held.append(connection)
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in held:
            connection.close()
