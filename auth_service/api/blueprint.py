"""Owns /auth/ as a whole: its endpoints, and what their answers have in common."""

from flask import Blueprint, Response, g
from flask.typing import ResponseReturnValue

from auth_service.api.audit import audit_endpoints
from auth_service.api.endpoint import Endpoint
from auth_service.api.error_handlers import install_refusal_answers
from auth_service.api.errors import not_found
from auth_service.api.sessions import session_endpoints
from auth_service.api.tokens import token_endpoints
from auth_service.api.users import user_endpoints

auth_api = Blueprint("auth", __name__, url_prefix="/auth")
auth_api.register_blueprint(user_endpoints)
auth_api.register_blueprint(token_endpoints)
auth_api.register_blueprint(session_endpoints)
auth_api.register_blueprint(audit_endpoints)
install_refusal_answers(auth_api)


@auth_api.route("/", defaults={"path": ""}, methods=Endpoint.methods)
@auth_api.route("/<path:path>", methods=Endpoint.methods)
def nothing(path: str) -> ResponseReturnValue:
    """404 for every path that no endpoint has."""
    raise not_found()


@auth_api.after_request
def _finish(response: Response) -> Response:
    # Every answer is one person's, and many hold a token.
    response.headers["Cache-Control"] = "no-store"
    if "allow" in g:
        response.headers["Allow"] = g.allow
    if response.status_code == 204:
        del response.headers["Content-Type"]
    return response
