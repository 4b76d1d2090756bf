"""Clocks that can be moved."""

import time
from dataclasses import dataclass


@dataclass
class MovableClock:
    """Seconds since the epoch, as long as nobody moves it."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        """Lets `seconds` pass."""
        self.now += seconds


@dataclass
class ShiftedClock:
    """The real clock, as far ahead as it was moved: for what is signed and checked by the real one as well."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead

    def move(self, seconds: float) -> None:
        """Lets `seconds` pass."""
        self.ahead += seconds
