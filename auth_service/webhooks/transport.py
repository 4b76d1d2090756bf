"""Send a webhook by HTTP/1.1: one POST on a connection of its own, without redirects, within a total time.

Failure policy: only a response is proof of an arrival. If there is none, or it is lost, NotSent is raised and the
message is sent again.
"""

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from auth_service.webhooks.target_address import RefusedTarget, Resolve, resolve_target

TOTAL_SECONDS = 15.0
"""An attempt is cut off after this time, from the connection to the status of the response."""
CONNECT_SECONDS = 5.0
"""Seconds to connect to one address of a host."""
EXCERPT_BYTES = 200
"""Bytes of the body of a failure that are kept."""


class NotSent(Exception):
    """There was no response. The text is the reason; it contains neither the URL nor a header."""


@dataclass(frozen=True, slots=True)
class WebhookResponse:
    """A response. `excerpt` is the beginning of the body of a failure; `retry_after` is in seconds."""

    status: int
    excerpt: str = ""
    retry_after: float | None = None

    @property
    def is_success(self) -> bool:
        """Return whether the receiver has accepted the message. Only 2xx counts."""
        return 200 <= self.status < 300


class WebhookTransport:
    """Sends webhooks. Thread-safe, because each message has a connection of its own.

    The proxies of the environment (`https_proxy`) are not used: the address that was checked is the one connected to.
    """

    def __init__(
        self, *, allow_private: bool, resolve: Resolve = socket.getaddrinfo, total_seconds: float = TOTAL_SECONDS
    ) -> None:
        self._allow_private = allow_private
        self._resolve = resolve
        self._total_seconds = total_seconds
        self._tls: ssl.SSLContext | None = None

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> WebhookResponse:
        """Send a POST and return the response. Raises NotSent."""
        parts = urlsplit(url)
        host, tls = parts.hostname or "", self._tls_context() if parts.scheme == "https" else None
        port = parts.port or (443 if tls else 80)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection = _Connection(host, port, tls, self._addresses_of)
        try:
            with _deadline(self._total_seconds, connection.shut_down):
                connection.request("POST", path, body, dict(headers))
                response = _read(connection.getresponse())
            if connection.is_shut_down:  # the head may be cut off, which http.client does not notice
                raise TimeoutError
            return response
        except RefusedTarget as error:
            raise NotSent(str(error)) from error
        except (OSError, http.client.HTTPException) as error:
            raise NotSent(_reason(error, is_late=connection.is_shut_down)) from error
        finally:
            connection.close()

    def _addresses_of(self, host: str, port: int) -> Iterator[str]:
        return iter(resolve_target(host, port, allow_private=self._allow_private, resolve=self._resolve))

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            # Python 3.13 and later would refuse certificates of private authorities that lack a key identifier.
            self._tls.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return self._tls


class _Connection(http.client.HTTPConnection):
    """A connection to one of the addresses of a host, with TLS for the name of the host."""

    def __init__(
        self, host: str, port: int, tls: ssl.SSLContext | None, addresses_of: Callable[[str, int], Iterator[str]]
    ) -> None:
        super().__init__(host, port, timeout=CONNECT_SECONDS)
        # http.client leaves these ports out of the Host field, as RFC 9110 7.2 recommends.
        self.default_port = 443 if tls else 80
        self._context = tls
        self._addresses_of = addresses_of
        self.is_shut_down = False

    def connect(self) -> None:
        """Connect to the first address that accepts. Raises RefusedTarget or OSError."""
        failure: OSError = OSError("no address")
        for address in self._addresses_of(self.host, self.port):
            if self.is_shut_down:
                raise TimeoutError
            try:
                plain = socket.create_connection((address, self.port), CONNECT_SECONDS)
            except OSError as error:
                failure = error
                continue
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as http.client does: it sends two parts
            plain.settimeout(TOTAL_SECONDS)  # of each read; the deadline limits all of them together
            self.sock = plain
            if self._context:
                self._start_tls(self._context)
            if self.is_shut_down:
                raise TimeoutError
            return
        raise failure

    def _start_tls(self, context: ssl.SSLContext) -> None:
        # The handshake is a step of its own, so that `shut_down` can end it.
        secured = context.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
        self.sock = secured
        secured.do_handshake()

    def shut_down(self) -> None:
        """End reads and writes that another thread waits for, and refuse a connection that is not made yet."""
        self.is_shut_down = True
        if self.sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


@contextmanager
def _deadline(seconds: float, shut_down: Callable[[], None]) -> Iterator[None]:
    """Call `shut_down` if the block takes too long, as with a server that sends a byte now and then."""
    timer = threading.Timer(seconds, shut_down)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _read(response: http.client.HTTPResponse) -> WebhookResponse:
    """Return the response. The body of a success is not read: the message has arrived, whatever becomes of it."""
    if 200 <= response.status < 300:
        return WebhookResponse(response.status)
    excerpt = b""
    with suppress(OSError, http.client.HTTPException):
        excerpt = response.read(EXCERPT_BYTES)
    return WebhookResponse(response.status, _printable(excerpt), _seconds(response.headers.get("Retry-After", "")))


def _printable(excerpt: bytes) -> str:
    text = " ".join(excerpt.decode("utf-8", "replace").split())
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _seconds(retry_after: str) -> float | None:
    """Return the seconds of a Retry-After. A date is not read, because the clock of the receiver may differ."""
    text = retry_after.strip()
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def _reason(error: Exception, *, is_late: bool) -> str:
    if is_late or isinstance(error, TimeoutError):
        return "there was no response in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not valid: {error.verify_message}"
    if isinstance(error, OSError):
        return f"the connection failed: {error.strerror or type(error).__name__}"
    return f"the response is not HTTP: {type(error).__name__}"
