"""The context of each request to a Flask service: request id, traceparent, client address, and the log line.

The gateway sets X-Request-Id, X-Forwarded-For, X-Forwarded-Proto and X-Forwarded-Host. Only the last value of each
X-Forwarded header is trusted.
"""

import re
import secrets
import time

import structlog
from flask import Flask, Response, g, request
from werkzeug.middleware.proxy_fix import ProxyFix

_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}", re.ASCII)
_log = structlog.get_logger("request")


def install_request_context(app: Flask) -> None:
    """Give every request of `app` an id for its log lines and its response. Log each, except health checks."""
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]
    app.before_request(_start)
    app.after_request(_finish)


def request_id() -> str:
    """Return the id of the current request: the gateway's, or a random one if it sent none or a malformed one."""
    current: str | None = g.get("request_id")
    return current or secrets.token_hex(16)


def _start() -> None:
    received = request.headers.get("X-Request-Id", "")
    g.request_id = received if _REQUEST_ID.fullmatch(received) else secrets.token_hex(16)
    g.started_at = time.perf_counter()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)
    if traceparent := request.headers.get("traceparent"):
        # W3C Trace Context 3.2: a traceparent of version 00 has 55 characters.
        structlog.contextvars.bind_contextvars(traceparent=traceparent[:64])


def _finish(response: Response) -> Response:
    response.headers["X-Request-Id"] = request_id()
    duration_ms = (time.perf_counter() - g.started_at) * 1000 if "started_at" in g else 0.0
    if request.path not in ("/healthz", "/readyz"):
        _log.info(
            "request",
            method=request.method,
            path=request.path,
            status=response.status_code,
            ms=round(duration_ms, 2),
        )
    return response
