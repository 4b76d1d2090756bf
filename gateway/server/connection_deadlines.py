"""Deadlines of one client connection, as values that a sweep compares with the time once a second.

A timer for each deadline would cost each request 5 us. Times are the event loop's, in seconds.
"""

from dataclasses import dataclass

NEVER = float("inf")

MIN_BODY_RATE = 240
"""Bytes a second. A request body that is slower, on average, runs into its deadline."""


@dataclass(frozen=True, slots=True)
class ClientTimeouts:
    """Limits on slow clients, in seconds."""

    head: float = 10.0
    """A whole header section."""
    body: float = 10.0
    """Each pause within a request body."""
    write: float = 60.0
    """Each pause in which the client reads nothing of its response."""
    probe_delay: float = 0.1
    """From the end of the client's input to the first probe. Most responses take less."""
    half_closed: float = 10.0
    """Each pause in the response to a half-closed client that cannot be probed."""


class ConnectionDeadlines:
    """When each part of the exchange with one client is overdue; NEVER where none is expected."""

    __slots__ = ("_body_timeout", "_write_timeout", "body", "head", "head_timeout", "idle", "received_at", "write")

    def __init__(self, timeouts: ClientTimeouts, now: float) -> None:
        self.head_timeout = timeouts.head
        self._body_timeout = timeouts.body
        self._write_timeout = timeouts.write
        self.received_at = now
        """When the client last sent something."""
        self.head = now + timeouts.head
        self.body = NEVER
        self.idle = NEVER
        self.write = NEVER

    def start_head(self) -> None:
        """Expect a header section."""
        self.head = self.received_at + self.head_timeout

    def start_body(self) -> None:
        """Expect a request body."""
        self.body = self.received_at + self._body_timeout

    def extend_body(self, size: int) -> None:
        """Move the body's deadline after `size` bytes of it: by the time they may take at MIN_BODY_RATE."""
        self.body = min(self.body + size / MIN_BODY_RATE, self.received_at + self._body_timeout)

    def resume_body(self, now: float) -> None:
        """Start the body's deadline again after a pause in which the gateway itself did not read."""
        self.received_at = now
        self.body = now + self._body_timeout

    def start_write(self, now: float) -> None:
        """Expect the client to read."""
        self.write = now + self._write_timeout

    def body_is_late(self, now: float, response_started: bool) -> bool:
        """Return whether the body is too slow.

        After the response has started, the exchange may be a conversation: then only a silence counts, not the rate.
        """
        return now > (self.received_at + self._body_timeout if response_started else self.body)
