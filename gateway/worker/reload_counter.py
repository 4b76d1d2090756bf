"""A count of reloads that gunicorn's master shares with the workers that it forks."""

import mmap
from collections.abc import Callable


class ReloadCounter:
    """Counts reloads in shared memory, so that a worker can detect that a reload has replaced it.

    The count wraps at 256, because no worker is still running after 256 reloads.
    """

    def __init__(self) -> None:
        self._count = mmap.mmap(-1, 1)

    def increment(self) -> None:
        """Count a reload. Called in gunicorn's master."""
        self._count[0] = (self._count[0] + 1) % 256

    def watch(self) -> Callable[[], bool]:
        """Return a predicate that is true if there was a reload since this call."""
        start = self._count[0]
        return lambda: self._count[0] != start
