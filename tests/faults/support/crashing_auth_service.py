"""The auth service with a fault: on demand, a worker kills itself between a refresh's commit and its response."""

import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from flask import Flask

from auth_service.app import create_app as create_auth

CRASH_FILE = "CRASH_FILE"
"""The environment variable with the path of a file: the worker that removes this file kills itself."""

StartResponse = Callable[..., Callable[[bytes], object]]
WSGIApp = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


class CrashAfterRefresh:
    """WSGI middleware: when the inner application returns, everything is committed and nothing is sent."""

    def __init__(self, app: WSGIApp, crash_file: Path) -> None:
        self._app = app
        self._crash_file = crash_file

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request; kill the process after a refresh if the file exists."""
        response = self._app(environ, start_response)
        if environ["PATH_INFO"] == "/auth/jwt/refresh/":
            with suppress(FileNotFoundError):
                self._crash_file.unlink()
                os.kill(os.getpid(), signal.SIGKILL)
        return response


def create_app() -> Flask:
    """Return the auth service's application with the fault, for gunicorn."""
    app = create_auth()
    app.wsgi_app = CrashAfterRefresh(app.wsgi_app, Path(os.environ[CRASH_FILE]))  # type: ignore[method-assign]
    return app
