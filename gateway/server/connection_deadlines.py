"""The deadlines of one client connection. A sweep compares them with the time once a second.

A timer for each deadline would cost 5 us per request. Times are the event loop's, in seconds.
"""

from dataclasses import dataclass

NEVER = float("inf")

MIN_BODY_RATE = 240
"""Bytes per second. A request body that is slower on average misses its deadline."""


@dataclass(frozen=True, slots=True)
class ClientTimeouts:
    """Limits on slow clients, in seconds."""

    head: float = 10.0
    """Time to receive a whole header section."""
    body: float = 10.0
    """Longest pause within a request body."""
    write: float = 60.0
    """Longest time for which the write buffer stays full because the client reads too little."""
    probe_delay: float = 0.1
    """Time from the end of the client's input to the first probe. Most responses take less."""
    half_closed: float = 10.0
    """Longest pause in a response to a half-closed client that cannot be probed."""


class ConnectionDeadlines:
    """The times at which a head, a body, the next request or a write is overdue; NEVER if none is expected."""

    __slots__ = ("_body_timeout", "_write_timeout", "body", "head", "head_timeout", "idle", "received_at", "write")

    def __init__(self, timeouts: ClientTimeouts, now: float) -> None:
        self.head_timeout = timeouts.head
        self._body_timeout = timeouts.body
        self._write_timeout = timeouts.write
        self.received_at = now
        """When the client last sent data."""
        self.head = now + timeouts.head
        self.body = NEVER
        self.idle = NEVER
        self.write = NEVER

    def start_head(self) -> None:
        """Start the deadline of a header section."""
        self.head = self.received_at + self.head_timeout

    def start_body(self) -> None:
        """Start the deadline of a request body."""
        self.body = self.received_at + self._body_timeout

    def extend_body(self, size: int) -> None:
        """Extend the body's deadline by the time that the `size` bytes received may take at MIN_BODY_RATE."""
        self.body = min(self.body + size / MIN_BODY_RATE, self.received_at + self._body_timeout)

    def resume_body(self, now: float) -> None:
        """Restart the body's deadline after a pause in which the gateway did not read."""
        self.received_at = now
        self.body = now + self._body_timeout

    def start_write(self, now: float) -> None:
        """Start the deadline for the client to read from the full write buffer."""
        self.write = now + self._write_timeout

    def is_body_late(self, now: float, response_started: bool) -> bool:
        """Return whether the body is too slow.

        Once the response has started, the client may wait for parts of it before it sends more. Then only the time
        since the last data counts, not the average rate.
        """
        return now > (self.received_at + self._body_timeout if response_started else self.body)
