"""gunicorn's logger without an access log: every service logs requests itself."""

from typing import Any

from gunicorn.glogging import Logger


class GunicornLogger(Logger):  # type: ignore[misc]  # gunicorn ships no types
    """Skips the access line, which gunicorn would otherwise format for every request and discard."""

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """Log nothing. Called by the worker after each request."""
