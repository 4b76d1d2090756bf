"""The readiness check that fails before a worker that is stopping closes its listeners."""


class GracefulShutdown:
    """Remembers whether a graceful shutdown has begun."""

    def __init__(self) -> None:
        self._has_begun = False

    def begin(self) -> None:
        """Make `check` fail from now on."""
        self._has_begun = True

    def check(self) -> None:
        """Raise LookupError if the shutdown has begun. This is a readiness check (chassis/health.py)."""
        if self._has_begun:
            raise LookupError("this process is stopping")
