"""Owns the thread that keeps the revocation feed whole: one a worker process, looking twice a second."""

import threading

import structlog
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from auth_service.revocation_feed import RevocationFeed

INTERVAL = 0.5
"""Seconds."""

_log = structlog.get_logger("republisher")


class Republisher:
    """Calls the feed's `catch_up` until stopped. A database that is down is asked again the next time."""

    def __init__(self, app: Flask, feed: RevocationFeed) -> None:
        self._app = app
        self._feed = feed
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="republisher", daemon=True)

    def start(self) -> None:
        """Begins; to be called after the process has forked."""
        self._thread.start()

    def stop(self) -> None:
        """Ends within the interval."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(INTERVAL):
            self._look()

    def _look(self) -> None:
        try:
            with self._app.app_context():
                self._feed.catch_up()
        except SQLAlchemyError as error:
            _log.warning("revocations cannot be read", reason=type(error).__name__)
