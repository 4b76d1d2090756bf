"""Progress of a measurement on standard error."""

import sys
import time
from dataclasses import dataclass


@dataclass(slots=True)
class Progress:
    """Print the current measurement and the estimated remaining time."""

    turns: int
    begun: int = 0
    started_at: float = 0.0

    def begin_turn(self, description: str) -> None:
        """Print the line of a turn that begins."""
        self.started_at = self.started_at or time.monotonic()
        elapsed = time.monotonic() - self.started_at
        left = f"{elapsed / self.begun * (self.turns - self.begun) / 60:.1f} min left" if self.begun else "just begun"
        sys.stderr.write(f"[{self.begun + 1}/{self.turns}, {left}] {description}\n")
        self.begun += 1
