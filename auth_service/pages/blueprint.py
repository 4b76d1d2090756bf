"""The blueprint of the hosted pages: their paths, and the pages for errors."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import structlog
from flask import Blueprint, Flask, Response
from werkzeug.exceptions import HTTPException

from auth_service.api.errors import STORE_RETRY_SECONDS, ApiError
from auth_service.page_templates.templates import PageTemplates
from auth_service.pages import account, log_in, mail_links, sessions
from auth_service.pages.context import forget_caller, register_templates
from auth_service.pages.mail_links import MailPage
from auth_service.pages.response import render_message, set_page_headers
from auth_service.pages.session import require_offer
from auth_service.store_errors import StoreUnavailable
from contract.page_session import PAGE_NAMES

_log = structlog.get_logger("pages")

View = Callable[..., Response]
Pages = Mapping[str, Mapping[str, View]]
"""The views by path below /auth, then by method."""

_METHODS = ("GET", "POST")

_PAGES: Pages = {
    "/login/": {"GET": log_in.show_log_in, "POST": log_in.submit_log_in},
    "/register/": {"GET": log_in.show_registration, "POST": log_in.submit_registration},
    "/register/sent/": {"GET": log_in.show_registered},
    "/account/": {"GET": account.show_account},
    "/account/profile/": {"GET": account.show_profile, "POST": account.submit_profile},
    "/account/email/": {"GET": account.show_email, "POST": account.submit_email},
    "/account/password/": {"GET": account.show_password, "POST": account.submit_password},
    "/account/sessions/": {"GET": sessions.show_sessions},
    "/account/sessions/<sid>/end/": {"POST": sessions.end_session},
    "/account/sessions/end-others/": {"POST": sessions.end_other_sessions},
    "/account/sessions/end-all/": {"POST": sessions.end_all_sessions},
    "/account/log-out/": {"GET": account.show_log_out, "POST": account.submit_log_out},
    "/account/delete/": {"GET": account.show_delete, "POST": account.submit_delete},
}


def install_pages(app: Flask, templates: PageTemplates, more: Pages = MappingProxyType({})) -> None:
    """Serve the hosted pages under /auth/, and the pages `more`."""
    register_templates(app, templates)
    blueprint = Blueprint("pages", __name__, url_prefix="/auth")
    blueprint.before_request(require_offer)
    blueprint.after_request(set_page_headers)
    for path, views in {**_PAGES, **more}.items():
        for method, view in views.items():
            blueprint.add_url_rule(path, endpoint=view.__name__, view_func=view, methods=[method])
    for page in mail_links.PAGES:
        _add_mail_page(blueprint, page)
    for name in sorted(PAGE_NAMES):
        blueprint.add_url_rule(f"/{name}/<path:rest>", endpoint=name, view_func=_unknown_page, methods=_METHODS)
        # Pages at this path were added before, so they come first.
        blueprint.add_url_rule(f"/{name}/", endpoint=f"{name}_itself", view_func=_unknown_page, methods=_METHODS)
    blueprint.register_error_handler(HTTPException, _http_error)
    blueprint.register_error_handler(ApiError, _api_error)
    blueprint.register_error_handler(StoreUnavailable, _store_unavailable)
    app.register_blueprint(blueprint)


def _add_mail_page(blueprint: Blueprint, page: MailPage) -> None:
    """Add the paths of one kind of mail: to ask for it, the page that follows, and the page that its link opens."""
    path = page.path.removeprefix("/auth")
    rules: tuple[tuple[str, str, Callable[[MailPage], Response]], ...] = (
        ("", "GET", mail_links.show_request),
        ("", "POST", mail_links.submit_request),
        ("sent/", "GET", mail_links.show_sent),
        ("confirm/", "GET", mail_links.show_link),
        ("confirm/", "POST", mail_links.submit_link),
    )
    for rest, method, view in rules:
        endpoint = f"{page.kind}_{view.__name__}"
        blueprint.add_url_rule(path + rest, endpoint=endpoint, view_func=partial(view, page), methods=[method])


def _unknown_page(rest: str = "") -> Response:
    return render_message(404, "error.not_found_title", "error.not_found")


def _http_error(error: HTTPException) -> Response:
    if error.code == 403:
        return render_message(403, "error.title", "error.gateway")
    return render_message(error.code or 500, "error.title", "error.form")


def _api_error(error: ApiError) -> Response:
    response = render_message(error.status, "error.title", "error.form")
    response.headers.extend(error.headers)
    return response


def _store_unavailable(error: StoreUnavailable) -> Response:
    _log.error("store_unavailable", error=str(error) or type(error).__name__)
    forget_caller()
    response = render_message(503, "error.busy_title", "error.busy")
    response.headers["Retry-After"] = str(STORE_RETRY_SECONDS)
    return response
