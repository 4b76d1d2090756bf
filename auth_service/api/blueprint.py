"""The blueprint of /auth/: its views, and the headers of every response."""

from flask import Blueprint, Response, g
from flask.typing import ResponseReturnValue

from auth_service.api.admin.blueprint import admin_endpoints
from auth_service.api.audit import audit_endpoints
from auth_service.api.error_handlers import install_error_handlers
from auth_service.api.errors import not_found
from auth_service.api.sessions import session_endpoints
from auth_service.api.tokens import token_endpoints
from auth_service.api.users.blueprint import user_endpoints
from auth_service.api.view import ApiView

auth_api = Blueprint("auth", __name__, url_prefix="/auth")
auth_api.register_blueprint(user_endpoints)
auth_api.register_blueprint(token_endpoints)
auth_api.register_blueprint(session_endpoints)
auth_api.register_blueprint(audit_endpoints)
auth_api.register_blueprint(admin_endpoints)
install_error_handlers(auth_api)


@auth_api.route("/", defaults={"path": ""}, methods=ApiView.methods)
@auth_api.route("/<path:path>", methods=ApiView.methods)
def unknown_path(path: str) -> ResponseReturnValue:
    """Answer 404 for every path under /auth/ that has no view."""
    raise not_found()


@auth_api.after_request
def set_response_headers(response: Response) -> Response:
    """Set Allow, and forbid caches to store the response: it is for one user and may hold a token.

    Remove Content-Type from a 204, which has no content.
    """
    response.headers["Cache-Control"] = "no-store"
    if "allow" in g:
        response.headers["Allow"] = g.allow
    if response.status_code == 204:
        del response.headers["Content-Type"]
    return response
