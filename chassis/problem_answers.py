"""Owns how a Flask service says no: every refusal leaves as problem details with a code and the request's id."""

import structlog
from flask import Flask, Response
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import HTTPException

from chassis.request_context import request_id
from contract.problems import PROBLEM_JSON, Refused

_log = structlog.get_logger("problem")

_CODES = {
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    414: "target_too_long",
    415: "unsupported_media_type",
    431: "headers_too_large",
}


def install_problem_answers(app: Flask) -> None:
    """Turns Refused, werkzeug's HTTP errors and every other exception of `app` into problem+json. RFC 9457."""
    app.register_error_handler(Refused, problem_answer)
    app.register_error_handler(HTTPException, _http_answer)
    app.register_error_handler(ParseException, _broken_framing_answer)
    app.register_error_handler(Exception, _failure_answer)


def problem_answer(refused: Refused) -> Response:
    """The answer that says `refused`."""
    return Response(refused.to_body(request_id()), refused.status, refused.to_headers(), content_type=PROBLEM_JSON)


def _http_answer(error: HTTPException) -> Response:
    if error.code is None or error.code < 400:
        return Response(error.get_response().get_data(), error.code, error.get_headers())
    if error.code >= 500:
        return problem_answer(Refused("internal_error"))
    headers = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
    return problem_answer(Refused(_CODES.get(error.code, "bad_request"), headers=headers))


def _broken_framing_answer(_: ParseException) -> Response:
    # gunicorn reads a chunked body only when the view asks for it, and complains then.
    return problem_answer(Refused("bad_body", "The body's framing is broken."))


def _failure_answer(error: Exception) -> Response:
    _log.error("unhandled_exception", exc_info=error)
    return problem_answer(Refused("internal_error"))
