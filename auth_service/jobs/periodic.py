"""A background thread that runs a job at an interval."""

import threading
from collections.abc import Callable

import structlog
from flask import Flask

from auth_service.store_errors import StoreUnavailable

_log = structlog.get_logger("periodic")


class PeriodicJob:
    """Calls `work` in an application context, `interval` seconds after the last call. Errors are logged."""

    def __init__(self, app: Flask, name: str, interval: float, work: Callable[[], object]) -> None:
        self._app = app
        self._name = name
        self._interval = interval
        self._work = work
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread; call it after the process has forked."""
        self._thread.start()

    def stop(self, timeout: float | None = None) -> None:
        """Let the current run finish, then end the thread. Wait at most `timeout` seconds for that."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def run_once(self) -> object:
        """Run the job once and return its result; None if it failed."""
        try:
            with self._app.app_context():
                return self._work()
        except StoreUnavailable as error:
            _log.warning("job_failed", job=self._name, error=str(error))
        except Exception:  # noqa: BLE001 - the error is logged, and the thread continues
            _log.exception("job_failed", job=self._name)
        return None

    def _run(self) -> None:
        while not self._stopping.wait(self._interval):
            self.run_once()
