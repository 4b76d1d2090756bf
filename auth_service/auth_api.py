"""Owns /auth/ as a whole: its endpoints, and the one place where a refusal there becomes an answer."""

from flask import Blueprint, Response, g
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from auth_service.endpoint import Endpoint
from auth_service.passwords import HashingBusy
from auth_service.refusals import AuthRefused, hashing_busy, not_found, store_unavailable
from auth_service.session_store import RaceNotWon
from auth_service.token_endpoints import token_endpoints
from auth_service.user_endpoints import user_endpoints

auth_api = Blueprint("auth", __name__, url_prefix="/auth")
auth_api.register_blueprint(user_endpoints)
auth_api.register_blueprint(token_endpoints)


@auth_api.route("/", defaults={"path": ""}, methods=Endpoint.methods)
@auth_api.route("/<path:path>", methods=Endpoint.methods)
def nothing(path: str) -> ResponseReturnValue:
    """404 for every path that no endpoint has."""
    raise not_found()


@auth_api.errorhandler(AuthRefused)
def _refused(refused: AuthRefused) -> Response:
    return refused.to_response()


@auth_api.errorhandler(HTTPException)
def _http_error(error: HTTPException) -> Response:
    return AuthRefused(error.code or 500, {"detail": error.name}).to_response()


@auth_api.errorhandler(HashingBusy)
def _hashing_busy(_: HashingBusy) -> Response:
    return hashing_busy().to_response()


@auth_api.errorhandler(RaceNotWon)
@auth_api.errorhandler(OperationalError)
@auth_api.errorhandler(InterfaceError)
@auth_api.errorhandler(PoolTimeout)
def _store_unavailable(_: Exception) -> Response:
    return store_unavailable().to_response()


@auth_api.after_request
def _finish(response: Response) -> Response:
    # Every answer is one person's, and many hold a token.
    response.headers["Cache-Control"] = "no-store"
    if "allow" in g:
        response.headers["Allow"] = g.allow
    if response.status_code == 204:
        del response.headers["Content-Type"]
    return response
