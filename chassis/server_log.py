"""Owns what gunicorn itself logs: its errors, and no requests. Every service writes a request's line itself."""

from typing import Any

from gunicorn.glogging import Logger


class ServerLog(Logger):  # type: ignore[misc]  # gunicorn ships no types
    """gunicorn's, without the access line, which would be put together for nobody at every request."""

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """Called by the worker after each request."""
