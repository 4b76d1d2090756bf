"""The network of one life: it delivers requests with the faults that the scenario has for them."""

import threading
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

REQUEST_ID = "X-Lifetimes-Request"
"""The header field by which the network recognizes a request and its later sendings."""
GATEWAY_FAULT = "X-Sallyport-Fault"
REFRESH = "/auth/jwt/refresh/"


class Network:
    """Faults by request and sending, faults of the next refreshes, and whether anything arrives at all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: dict[str, tuple[int, str]] = {}
        self._refreshes: list[str] = []
        self._online_at = 0.0
        self.sendings: dict[str, int] = {}
        """How often each request left the client."""
        self.played: dict[str, str] = {}
        """The fault that each request had, if any."""
        self.longest_refresh_seconds = 0.0
        """How long the slowest refresh waited for its response."""

    def plan(self, request_id: str, fault: str | None, sending: int) -> None:
        """Give the `sending`-th sending of a request a fault."""
        if fault is not None:
            self._planned[request_id] = (sending, fault)

    def plan_refreshes(self, faults: list[str]) -> None:
        """Give the next refreshes faults, and forget those that no refresh had."""
        with self._lock:
            self._refreshes = list(faults)

    def go_offline(self, seconds: float) -> None:
        """Deliver nothing for `seconds`."""
        self._online_at = time.monotonic() + seconds

    def is_sent(self, path: str, headers: MutableMapping[str, str]) -> bool:
        """Return whether a request reaches the gateway. Order the fault there, if it is one of the gateway's."""
        request_id = headers.get(REQUEST_ID, "")
        headers.pop(GATEWAY_FAULT, None)  # of an earlier sending
        fault = self._fault(path, request_id)
        if fault in (None, "unsent", "offline"):
            return fault is None
        headers[GATEWAY_FAULT] = str(fault)
        return True

    @contextmanager
    def sending(self, path: str, headers: MutableMapping[str, str]) -> Iterator[bool]:
        """Give what `is_sent` returns, and measure the time of a refresh."""
        is_sent, started = self.is_sent(path, headers), time.monotonic()
        try:
            yield is_sent
        finally:
            if path == REFRESH:
                self.longest_refresh_seconds = max(self.longest_refresh_seconds, time.monotonic() - started)

    def _fault(self, path: str, request_id: str) -> str | None:
        with self._lock:
            if time.monotonic() < self._online_at:
                return self._record(request_id, "offline")
            if path == REFRESH:
                return self._refreshes.pop(0) if self._refreshes else None
            if request_id:
                self.sendings[request_id] = self.sendings.get(request_id, 0) + 1
            sending, fault = self._planned.get(request_id, (0, ""))
            if not fault or sending != self.sendings[request_id]:
                return None
            return self._record(request_id, fault)

    def _record(self, request_id: str, fault: str) -> str:
        if request_id:
            self.played[request_id] = fault
        return fault
