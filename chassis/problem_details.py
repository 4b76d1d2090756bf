"""Error responses of a Flask service: problem details (RFC 9457) with a code and the request id."""

import structlog
from flask import Flask, Response
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import HTTPException

from chassis.request_context import request_id
from contract.problems import PROBLEM_JSON, ProblemCode, Refused

_log = structlog.get_logger("problem")

_CODES: dict[int, ProblemCode] = {
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    414: "target_too_long",
    415: "unsupported_media_type",
    431: "headers_too_large",
}
"""The code for the status of an HTTP error that werkzeug raises. Other 4xx statuses become 400 `bad_request`."""


def install_problem_details(app: Flask) -> None:
    """Turn Refused, werkzeug's HTTP errors and every other exception of `app` into problem+json. RFC 9457."""
    app.register_error_handler(Refused, problem_response)
    app.register_error_handler(HTTPException, _http_error_response)
    app.register_error_handler(ParseException, _broken_framing_response)
    app.register_error_handler(Exception, _internal_error_response)


def problem_response(refused: Refused) -> Response:
    """Return the response for `refused`."""
    return Response(refused.to_body(request_id()), refused.status, refused.to_headers(), content_type=PROBLEM_JSON)


def _http_error_response(error: HTTPException) -> Response:
    if error.code is None or error.code < 400:  # a redirect, or an exception that carries its own response
        return Response(error.get_response().get_data(), error.code, error.get_headers())
    if error.code >= 500:
        return problem_response(Refused("internal_error"))
    headers = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
    return problem_response(Refused(_CODES.get(error.code, "bad_request"), headers=headers))


def _broken_framing_response(_: ParseException) -> Response:
    # gunicorn parses a chunked body only when the view reads it.
    return problem_response(Refused("bad_body", "The body's framing is broken."))


def _internal_error_response(error: Exception) -> Response:
    _log.error("unhandled_exception", exc_info=error)
    return problem_response(Refused("internal_error"))
