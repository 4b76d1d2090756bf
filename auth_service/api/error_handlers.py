"""Turns what goes wrong in a view into an answer in the contract's bodies: the one place where that happens."""

import structlog
from flask import Blueprint, Response
from gunicorn.http.errors import ParseException
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from auth_service.accounts.passwords import HashingBusy
from auth_service.api.errors import AuthRefused, hashing_busy, malformed_body, store_unavailable, throttled
from auth_service.sessions.store import RaceNotWon
from auth_service.throttling.login_throttle import Throttled
from chassis.database import database_reason

_log = structlog.get_logger("store")


def install_refusal_answers(blueprint: Blueprint) -> None:
    """Answers refusals, HTTP errors, too many tries and busy or silent parts for the views of `blueprint`."""
    blueprint.register_error_handler(AuthRefused, _refused)
    blueprint.register_error_handler(HTTPException, _http_error)
    blueprint.register_error_handler(ParseException, _broken_framing)
    blueprint.register_error_handler(HashingBusy, _hashing_busy)
    blueprint.register_error_handler(Throttled, _throttled)
    for error in (RaceNotWon, OperationalError, InterfaceError, PoolTimeout):
        blueprint.register_error_handler(error, _store_unavailable)


def _refused(refused: AuthRefused) -> Response:
    return refused.to_response()


def _http_error(error: HTTPException) -> Response:
    return AuthRefused(error.code or 500, {"detail": error.name}).to_response()


def _broken_framing(_: ParseException) -> Response:
    # gunicorn reads a chunked body only when the view asks for it, and complains then.
    return malformed_body("The body's framing is broken.").to_response()


def _hashing_busy(_: HashingBusy) -> Response:
    return hashing_busy().to_response()


def _throttled(error: Throttled) -> Response:
    return throttled(error.seconds).to_response()


def _store_unavailable(error: Exception) -> Response:
    _log.error("store_unavailable", reason=database_reason(error))
    return store_unavailable().to_response()
