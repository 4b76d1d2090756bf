"""The context of each request to a Flask service: request id, trace id, client address, and the log line.

The gateway sets X-Request-Id, X-Forwarded-For, X-Forwarded-Proto and X-Forwarded-Host. Only the last value of each
X-Forwarded header is trusted.
"""

import re
import secrets
import time

import structlog
from flask import Flask, Response, g, request
from werkzeug.middleware.proxy_fix import ProxyFix

from chassis.tracing.trace_context import parse_traceparent

_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}", re.ASCII)
_log = structlog.get_logger("request")


def install_request_context(app: Flask) -> None:
    """Give every request of `app` an id for its log lines and its response. Log each, except health checks."""
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]
    app.before_request(_start)
    app.after_request(_finish)


def note_client(subject: str, sid: str) -> None:
    """Set who sent the current request, once that is verified: the subject and the session id for its log line."""
    g.logged_client = {"subject": subject, "sid": sid}


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
    if (parent := parse_traceparent(request.headers.get("traceparent", ""))) is not None:
        structlog.contextvars.bind_contextvars(trace_id=parent.trace_id)


def _finish(response: Response) -> Response:
    response.headers["X-Request-Id"] = request_id()
    duration_ms = (time.perf_counter() - g.started_at) * 1000 if "started_at" in g else 0.0
    if request.path not in ("/healthz", "/readyz"):
        _log.info(
            "request",
            method=request.method,
            path=request.path,
            **({"route": request.url_rule.rule} if request.url_rule else {}),
            status=response.status_code,
            ms=round(duration_ms, 2),
            **g.get("logged_client", {}),
        )
    return response
