"""The readiness of a worker that is stopping: it fails before the worker closes its listeners."""


class GracefulShutdown:
    """Whether a graceful shutdown has begun."""

    def __init__(self) -> None:
        self._has_begun = False

    def begin(self) -> None:
        """Make `check` fail from now on."""
        self._has_begun = True

    def check(self) -> None:
        """Readiness check. Raises LookupError once the shutdown has begun."""
        if self._has_begun:
            raise LookupError("this process is stopping")
