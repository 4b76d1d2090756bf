"""Send single HTTP requests with timeouts: over TCP, TLS or a unix socket."""

import http.client
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from chassis.clock import Clock
from doctor.finding import CannotCheck, Unreachable

TIMEOUT_SECONDS = 3.0
"""For the connection, and for each read."""
PATIENT_TIMEOUT_SECONDS = 10.0
"""The same for a second try, after a timeout."""
RETRY_SECONDS = 1.0
"""Between two requests to a process that is not ready."""
MAX_BODY = 2 * 1024 * 1024
"""Bytes of a body that are read at most."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server: `path` of a unix socket, or `host` and `port`; `tls` if connections are encrypted.

    `authority` is the value of Host, and `name` is for people.
    """

    authority: str
    host: str = ""
    port: int = 0
    path: str = ""
    tls: ssl.SSLContext | None = None

    @property
    def name(self) -> str:
        """Return the address as settings have it."""
        if self.path:
            return f"unix:{self.path}"
        return f"{'https' if self.tls else 'http'}://{self.authority}"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. `started` and `ended` are when it was requested and received, in seconds since the epoch."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    started: float
    ended: float

    def header(self, name: str) -> str | None:
        """Return the first value of a field."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a field."""
        return tuple(value for key, value in self.headers if key.lower() == name.lower())


class _Connection(http.client.HTTPConnection):
    def __init__(self, target: Target, timeout: float) -> None:
        super().__init__(target.authority, timeout=timeout)
        self._target = target
        self._seconds = timeout

    def connect(self) -> None:
        target = self._target
        if target.path:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(self._seconds)
            self.sock.connect(target.path)
            return
        self.sock = socket.create_connection((target.host, target.port), self._seconds)
        if target.tls:
            self.sock = target.tls.wrap_socket(self.sock, server_hostname=target.host)


def parse_url(url: str, tls: ssl.SSLContext | None = None) -> Target:
    """Return the target of http://host:port, https://host:port or unix:/path. Raises CannotCheck."""
    if url.startswith("unix:/"):
        return Target("localhost", path=url.removeprefix("unix:"))
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in ("http", "https"):
        raise CannotCheck(f"{url!r} is not http://host:port, https://host:port or unix:/path")
    if parts.scheme == "http":
        return Target(parts.netloc, host, port or 80)
    return Target(parts.netloc, host, port or 443, tls=tls or ssl.create_default_context())


def send(
    target: Target,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    *,
    reads_body: bool = False,
    clock: Clock = time.time,
) -> Answer:
    """Send a request and return the response. Raises Unreachable with the reason if there is none.

    A request without a response in time is sent a second time, with PATIENT_TIMEOUT_SECONDS, because a pause of a
    process or a machine passes.
    """
    try:
        return _send_once(target, method, path, headers, reads_body, clock, TIMEOUT_SECONDS)
    except Unreachable as unreachable:
        if not isinstance(unreachable.__cause__, TimeoutError):
            raise
        return _send_once(target, method, path, headers, reads_body, clock, PATIENT_TIMEOUT_SECONDS)


def _send_once(
    target: Target,
    method: str,
    path: str,
    headers: Mapping[str, str] | None,
    reads_body: bool,
    clock: Clock,
    timeout: float,
) -> Answer:
    connection = _Connection(target, timeout)
    started = clock()
    try:
        connection.request(method, path, headers={"User-Agent": "sallyport-doctor", **(headers or {})})
        response = connection.getresponse()
        ended = clock()
        body = response.read(MAX_BODY) if reads_body else b""
        return Answer(response.status, tuple(response.getheaders()), body, started, ended)
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"{target.name} does not answer: {reason_of(error, timeout)}") from error
    finally:
        connection.close()


def send_ready(target: Target, clock: Clock) -> Answer:
    """Return the response of /readyz; the second one if the first is not 200, because a pause of a process passes."""
    answer = send(target, "GET", "/readyz", clock=clock)
    if answer.status == 200:
        return answer
    time.sleep(RETRY_SECONDS)
    return send(target, "GET", "/readyz", clock=clock)


def reason_of(error: Exception, timeout: float = TIMEOUT_SECONDS) -> str:
    """Return why a connection failed, in a few words. `timeout` is what it waited, in seconds."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return f"no response within {timeout:g} seconds"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__
