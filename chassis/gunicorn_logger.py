"""gunicorn's logger without access lines, because every service logs its requests itself."""

from typing import Any

from gunicorn.glogging import Logger


class GunicornLogger(Logger):  # type: ignore[misc]  # gunicorn ships no types
    """A logger that skips access lines. gunicorn's own logger would format each line and then discard it."""

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """Write no access line."""
