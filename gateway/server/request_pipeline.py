"""The requests of one client connection in their order (pipelining, RFC 9112 9.3.2)."""

from collections import deque

from gateway.server.request_cycle import RequestCycle


class RequestPipeline:
    """The request that is being answered, those that wait behind it, and the one whose body is being received."""

    __slots__ = ("current", "input_ended", "receiving", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[RequestCycle] = deque()
        """Requests that wait for the current one to be answered."""
        self.current: RequestCycle | None = None
        """The request that is being answered."""
        self.receiving: RequestCycle | None = None
        """The request whose body is being received: the current one, or the last that waits."""
        self.input_ended = False
        """Whether further input is ignored. Complete requests are still answered."""

    @property
    def is_idle(self) -> bool:
        """Return whether no request is being received, waiting or being answered."""
        return self.current is None and self.receiving is None and not self.waiting

    @property
    def last(self) -> RequestCycle | None:
        """Return the request that will be answered last."""
        return self.waiting[-1] if self.waiting else self.current

    def append(self, cycle: RequestCycle) -> None:
        """Add a request whose head is complete."""
        self.receiving = cycle
        self.waiting.append(cycle)

    def pop(self) -> RequestCycle | None:
        """Remove and return the next request; None if no request waits or the input ended within its body."""
        cycle = self.waiting.popleft() if self.waiting else None
        return None if cycle is None or cycle.disconnected else cycle

    def body_received(self, body: bytes) -> None:
        """Add a part of a body. Called by the parser."""
        if self.receiving is not None:
            self.receiving.body_received(body)

    def request_received(self) -> None:
        """Mark the request that is being received as complete. Called by the parser."""
        if self.receiving is not None:
            self.receiving.body_complete()
            # RFC 9112 9.6: input after a request with `Connection: close` is not processed.
            self.input_ended = not self.receiving.keep_alive
            self.receiving = None

    def end_input(self) -> RequestCycle | None:
        """Ignore further input. Return the request that is incomplete, or None."""
        self.input_ended = True
        incomplete, self.receiving = self.receiving, None
        return incomplete

    def drop_waiting(self) -> None:
        """Remove the requests that wait."""
        self.waiting.clear()
