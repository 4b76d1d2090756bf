"""Owns a thread that does the same thing again and again beside a worker's requests."""

import threading
from collections.abc import Callable

import structlog
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from chassis.database import database_reason

_log = structlog.get_logger("periodic")


class Periodic:
    """Calls `work` every `interval` seconds in a context of `app`, and goes on when the database is down."""

    def __init__(self, app: Flask, name: str, interval: float, work: Callable[[], object]) -> None:
        self._app = app
        self._name = name
        self._interval = interval
        self._work = work
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begins; to be called after the process has forked."""
        self._thread.start()

    def stop(self) -> None:
        """Ends once the work under way is done."""
        self._stopping.set()
        self._thread.join()

    def work_once(self) -> object:
        """What the work gives; None where the database does not serve."""
        try:
            with self._app.app_context():
                return self._work()
        except SQLAlchemyError as error:
            _log.warning("job_failed", work=self._name, reason=database_reason(error))
            return None

    def _run(self) -> None:
        while not self._stopping.wait(self._interval):
            self.work_once()
