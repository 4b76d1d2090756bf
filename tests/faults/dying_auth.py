"""The auth service with a worker that can be made to die after a refresh is committed and before it is answered."""

import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from flask import Flask

from auth_service.app import create_app as create_auth

DEATH_WISH = "DEATH_WISH"
"""The setting that names a file: who can remove it dies."""

StartResponse = Callable[..., Callable[[bytes], object]]
WSGIApp = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


class Dying:
    """When the inner application returns, everything is committed and nothing is sent."""

    def __init__(self, app: WSGIApp, wish: Path) -> None:
        self._app = app
        self._wish = wish

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request, and die afterwards if requested."""
        answer = self._app(environ, start_response)
        if environ["PATH_INFO"] == "/auth/jwt/refresh/":
            with suppress(FileNotFoundError):
                self._wish.unlink()
                os.kill(os.getpid(), signal.SIGKILL)
        return answer


def create_app() -> Flask:
    """Return the application for gunicorn, in place of the service's own."""
    app = create_auth()
    app.wsgi_app = Dying(app.wsgi_app, Path(os.environ[DEATH_WISH]))  # type: ignore[method-assign]
    return app
