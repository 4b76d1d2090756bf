"""Clocks that tests move instead of waiting."""

import time
from dataclasses import dataclass


@dataclass
class MovableClock:
    """A clock that stands still until a test moves it; `now` is in seconds since the epoch."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        """Advance the clock by `seconds`."""
        self.now += seconds


@dataclass
class ShiftedClock:
    """The system clock plus `ahead` seconds, for tests in which other code uses the system clock."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead

    def move(self, seconds: float) -> None:
        """Advance the clock by `seconds`."""
        self.ahead += seconds
