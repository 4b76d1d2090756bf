"""Send messages to an SMTP server (RFC 5321), with STARTTLS (RFC 3207) or TLS from the start (RFC 8314), and log-in.

Failure policy: a failure before the server has accepted the message is an error that says whether a later attempt may
succeed. If the connection breaks while the server has the message but has not confirmed it, the message is sent
again, and may arrive twice with the same Message-ID.
"""

import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

from auth_service.mail.transports.interface import MailDelayed, OutgoingMessage, TransportUnavailable, masked
from auth_service.mail.transports.smtp_replies import (
    CLOSING,
    explanation,
    refused_message,
    refused_recipient,
    reply_text,
)

Security = Literal["starttls", "tls", "none"]

MESSAGES_PER_CONNECTION = 50
"""Servers limit the messages of a connection; 100 is a common limit."""
TIMEOUTS_PER_MESSAGE = 2
"""A connection attempt, and a message, may each take this many times the timeout in total.

So an attempt takes at most eight times the timeout: two messages and two connections, if the first one is replaced.
"""


@dataclass(frozen=True, slots=True, repr=False)
class SmtpServer:
    """The server and how to use it. `timeout` is in seconds, for the connection and for each reply.

    `hello_name` is the name of this host in EHLO. Without it smtplib would look up the own name in the DNS, which can
    take minutes. `ca_file` replaces the certificate authorities of the system.
    """

    host: str
    port: int
    security: Security
    hello_name: str
    user: str = ""
    password: str = ""
    ca_file: str | None = None
    timeout: float = 30.0


class SmtpTransport:
    """Sends messages over one connection, which it opens for the first of them. One thread uses it.

    `report` is called with each step, for an operator who tries the settings.
    """

    def __init__(self, server: SmtpServer, report: Callable[[str], None] = lambda _: None) -> None:
        self._server = server
        self._report = report
        self._client: _Client | None = None
        self._sent = 0

    def send(self, message: OutgoingMessage) -> str:
        """Send a message and return the server's reply.

        A connection that the server has closed since the last message is replaced. Raises TransportUnavailable,
        MailDelayed or MailRejected.
        """
        if self._sent >= MESSAGES_PER_CONNECTION:
            self.close()
        is_reused = self._client is not None
        client = self._client or self.connect()
        try:
            return self._transaction(client, message)
        except TransportUnavailable:
            self.close()
            if not is_reused:
                raise
            return self._transaction(self.connect(), message)

    def connect(self) -> "_Client":
        """Connect, start TLS and log in, as the settings demand. Raises TransportUnavailable."""
        server = self._server
        client = _Client(server, _tls_context(server) if server.security != "none" else None)
        self._report(f"connecting to {server.host}:{server.port} with SMTP_SECURITY={server.security}")
        try:
            with self._deadline(client):
                self._greet(client)
        except (OSError, smtplib.SMTPException) as error:
            client.close()
            reason = explanation(error, server.host, server.port, server.security)
            raise TransportUnavailable(reason) from error
        self._client, self._sent = client, 0
        return client

    def close(self) -> None:
        """Say QUIT and close the connection, if there is one."""
        client, self._client, self._sent = self._client, None, 0
        if client:
            with suppress(OSError, smtplib.SMTPException), self._deadline(client):
                client.quit()
            client.close()

    def _greet(self, client: "_Client") -> None:
        server = self._server
        code, reply = client.connect(server.host, server.port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, reply)
        self._report(f"the server greets with: {reply_text(code, reply)}")
        client.ehlo_or_helo_if_needed()
        if server.security == "starttls":
            code, reply = client.starttls(context=client.tls)
            if code != 220:
                raise smtplib.SMTPResponseException(code, reply)
            client.ehlo_or_helo_if_needed()
        if isinstance(client.sock, ssl.SSLSocket):
            self._report(f"the connection is encrypted: {client.sock.version()}, and the certificate is valid")
        if server.user:
            client.login(_Utf8(server.user), _Utf8(server.password))
            self._report(f"logged in as {server.user}")

    def _transaction(self, client: "_Client", message: OutgoingMessage) -> str:
        """Send a message. After a refusal the connection can be used again."""
        with self._deadline(client):
            try:
                code, reply = client.mail(message.sender)
                if code != 250:
                    raise TransportUnavailable(
                        f"the server refuses the sender (MAIL_FROM): {reply_text(code, reply)}"
                    )
                code, reply = client.rcpt(message.recipient)
            except (OSError, smtplib.SMTPException) as error:
                server = self._server
                reason = explanation(error, server.host, server.port, "")
                raise TransportUnavailable(reason) from error
            if code == CLOSING:
                raise TransportUnavailable(f"the server closes the connection: {reply_text(code, reply)}")
            if code not in (250, 251):
                self._reset(client)
                raise refused_recipient(code, reply)
            return self._data(client, message)

    def _data(self, client: "_Client", message: OutgoingMessage) -> str:
        try:
            code, reply = client.data(message.content)
        except smtplib.SMTPDataError as error:
            self._reset(client)
            raise refused_message(error.smtp_code, error.smtp_error) from error
        except (OSError, smtplib.SMTPException) as error:
            self.close()
            raise MailDelayed(f"the connection broke before the server confirmed the message: {error}") from error
        if code != 250:
            self._reset(client)
            raise refused_message(code, reply)
        self._sent += 1
        self._report(f"the server accepted the message: {reply_text(code, reply)}")
        return masked(reply_text(code, reply))

    def _reset(self, client: "_Client") -> None:
        """Abort the transaction; close the connection if that fails."""
        try:
            client.rset()
        except (OSError, smtplib.SMTPException):
            self.close()

    @contextmanager
    def _deadline(self, client: "_Client") -> Iterator[None]:
        """Shut the connection down if the block takes too long, as with a server that sends a byte now and then."""
        timer = threading.Timer(self._server.timeout * TIMEOUTS_PER_MESSAGE, client.shut_down)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


class _Client(smtplib.SMTP):
    """smtplib's client, with TLS from the start if that is set, and credentials in UTF-8."""

    def __init__(self, server: SmtpServer, tls: ssl.SSLContext | None) -> None:
        super().__init__(local_hostname=server.hello_name, timeout=server.timeout)
        self._host = server.host  # the name that the certificate must have; connect() does not set it
        self._is_tls_at_once = server.security == "tls"
        self._is_shut_down = False
        self.tls = tls

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        plain: socket.socket = super()._get_socket(host, port, timeout)  # type: ignore[misc]
        if self._is_shut_down:  # a host may have several addresses, and each may take the whole time-out
            plain.close()
            raise TimeoutError("the deadline has passed")
        if not self._is_tls_at_once or self.tls is None:
            return plain
        try:
            return self.tls.wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise

    def auth_plain(self, _: object = None) -> str:
        """Return the response of AUTH PLAIN in UTF-8 (RFC 4616). smtplib would encode it as ASCII."""
        return _Utf8(super().auth_plain())

    def shut_down(self) -> None:
        """End reads and writes that other threads wait for, and refuse a connection that is not made yet."""
        self._is_shut_down = True
        if self.sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


class _Utf8(str):
    """A user name or password that `encode` returns in UTF-8, where smtplib encodes it as ASCII."""

    __slots__ = ()

    def encode(self, *_: str) -> bytes:
        """Return the text in UTF-8, whatever encoding is requested."""
        return super().encode("utf-8")


def _tls_context(server: SmtpServer) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=server.ca_file)
    except OSError as error:
        raise TransportUnavailable(f"SMTP_CA_FILE {server.ca_file} cannot be used: {error}") from error
    if server.ca_file:
        # Python 3.13 and later would refuse certificates of private authorities that lack a key identifier.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
