"""A count of reloads that gunicorn's master shares with the workers that it forks."""

import mmap
from collections.abc import Callable


class ReloadCounter:
    """Lets a worker know that a reload has replaced it. The count wraps at 256; no worker survives 256 reloads."""

    def __init__(self) -> None:
        self._count = mmap.mmap(-1, 1)

    def increment(self) -> None:
        """Count a reload. Called in the master."""
        self._count[0] = (self._count[0] + 1) % 256

    def watch(self) -> Callable[[], bool]:
        """Return a function that returns whether there was a reload after this call."""
        start = self._count[0]
        return lambda: self._count[0] != start
