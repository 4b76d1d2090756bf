"""A throttle for log events that could come with every request."""

from chassis.clock import Clock


class LogThrottle:
    """Allows one log event per key in every `interval` seconds, and counts the occurrences in between."""

    def __init__(self, monotonic: Clock, interval: float) -> None:
        self._now = monotonic
        self._interval = interval
        self._quiet_until: dict[str, float] = {}
        self._unlogged: dict[str, int] = {}

    def count(self, key: str) -> int:
        """Count an occurrence. Return how many to log, this one included; 0 if no event is due yet."""
        now, occurrences = self._now(), self._unlogged.get(key, 0) + 1
        if now < self._quiet_until.get(key, now):
            self._unlogged[key] = occurrences
            return 0
        self._unlogged[key] = 0
        self._quiet_until[key] = now + self._interval
        return occurrences

    def forget(self, key: str) -> None:
        """Drop what is stored for `key`."""
        self._quiet_until.pop(key, None)
        self._unlogged.pop(key, None)
