"""Counters in the memory of one worker, for use while Redis does not reply."""

import threading
import time
from math import ceil

from chassis.clock import Clock

PRUNE_INTERVAL = 60.0
"""Seconds between two removals of the windows that have ended."""


class LocalCounters:
    """Counts by key, in fixed windows that begin with the first count. Hold `lock` to make several calls atomic."""

    def __init__(self, *, clock: Clock = time.monotonic) -> None:
        self.lock = threading.RLock()
        self._clock = clock
        self._windows: dict[str, tuple[int, float]] = {}
        self._prune_at = 0.0

    def count(self, key: str) -> int:
        """Return the count of the current window; 0 if there is no window."""
        count, ends_at = self._windows.get(key, (0, 0.0))
        return count if self._clock() < ends_at else 0

    def add(self, key: str, amount: int, window_seconds: float) -> None:
        """Add `amount` to the current window; if there is none, begin one of `window_seconds`."""
        with self.lock:
            now = self._clock()
            self._prune(now)
            count, ends_at = self._windows.get(key, (0, 0.0))
            if now >= ends_at:
                count, ends_at = 0, now + window_seconds
            self._windows[key] = (count + amount, ends_at)

    def reset(self, key: str) -> None:
        """Delete the current window."""
        with self.lock:
            self._windows.pop(key, None)

    def seconds_left(self, key: str) -> int:
        """Return the whole seconds until the current window ends, at least 1."""
        _, ends_at = self._windows.get(key, (0, 0.0))
        return max(1, ceil(ends_at - self._clock()))

    def _prune(self, now: float) -> None:
        if now < self._prune_at:
            return
        self._prune_at = now + PRUNE_INTERVAL
        self._windows = {key: window for key, window in self._windows.items() if window[1] > now}
