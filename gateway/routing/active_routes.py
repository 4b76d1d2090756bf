"""Owns which routes are in force: those of the last routes file that was good.

gunicorn's master keeps them, and every worker has them by its fork: also one that takes a dead worker's place while
the file on disk is wrong. Failure policy: a file that is refused at a reload changes nothing, and the log says why.
"""

from collections.abc import Callable

import structlog

from gateway.routing.routes import RouteTable

_log = structlog.get_logger("routes")


class ActiveRoutes:
    """What `load` gave when it last succeeded; raises RoutesError where it does not succeed at first."""

    def __init__(self, load: Callable[[], RouteTable]) -> None:
        self._load = load
        self.table = load()
        self.refused = False
        """Whether the last reload was refused, so that the file says something else than what is in force."""
        self._say()

    def reload(self) -> None:
        """Takes the file as it is now, or else leaves everything as it was and says why."""
        try:
            self.table = self._load()
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the master, which serves on
            self.refused = True
            for complaint in str(error).splitlines() or [type(error).__name__]:
                _log.error("routes_rejected", reason=complaint, in_force=self.table.version)
        else:
            self.refused = False
            self._say()

    def _say(self) -> None:
        _log.info("routes_active", version=self.table.version, routes=len(self.table.routes))
