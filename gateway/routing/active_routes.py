"""The routes in use: those of the last routes file that loaded without problems.

gunicorn's master process keeps them, and each worker inherits them when it is forked. A worker that replaces a dead
one gets them as well, even if the file on disk is invalid by then. Failure policy: a reload that fails changes
nothing and is logged.
"""

from collections.abc import Callable

import structlog

from gateway.routing.routes import RouteTable

_log = structlog.get_logger("routes")


class ActiveRoutes:
    """Holds the table that `load` returned last. The first load raises RoutesError if the file is invalid."""

    def __init__(self, load: Callable[[], RouteTable]) -> None:
        self._load = load
        self.table = load()
        self.reload_failed = False
        """Whether the last reload failed, so that `table` is not the file on disk."""
        self._log_active()

    def reload(self) -> None:
        """Load the file again. If it has problems, log each and keep the current table."""
        try:
            self.table = self._load()
        except Exception as error:  # noqa: BLE001 - no error may end the master process
            self.reload_failed = True
            for problem in str(error).splitlines() or [type(error).__name__]:
                _log.error("routes_rejected", error=problem, in_force=self.table.version)
        else:
            self.reload_failed = False
            self._log_active()

    def _log_active(self) -> None:
        _log.info("routes_active", version=self.table.version, routes=len(self.table.routes))
