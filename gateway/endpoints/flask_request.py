"""Flask's current request as a request of the pipeline."""

from typing import Any

from flask import request

from gateway.http.request import Request


def pipeline_request() -> Request:
    """Return Flask's current request."""
    environ: dict[str, Any] = request.environ
    return Request(
        request_id=request.headers.get("X-Request-Id", ""),
        method=request.method,
        path=request.path.encode(),
        query=request.query_string,
        headers=[(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in request.headers],
        http_version=environ["SERVER_PROTOCOL"].removeprefix("HTTP/"),
        client=request.remote_addr or "",
        scheme=request.scheme,
        server=None,
    )
