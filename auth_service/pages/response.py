"""Build the responses of pages: a page in the language of the request, or a redirect after a form."""

from collections.abc import Mapping

from flask import Response, request

from auth_service.pages.context import page_caller, page_language, page_templates, page_text
from auth_service.pages.form import Form
from auth_service.services import services
from contract.page_session import CHANGE_HEADER

EMPTY_FORM = Form()
_STAFF_HOME = "/auth/staff/"

# With `no-referrer`, forms are sent with `Origin: null` (Fetch standard 3.2). Then old browsers, which send no
# Sec-Fetch-Site, could not prove where a form comes from. `strict-origin` hides the path and a token in it as well.
_REFERRER_POLICY = "strict-origin"


def render(
    template: str, form: Form = EMPTY_FORM, *, notice: str = "", status: int | None = None, **values: object
) -> Response:
    """Return the page `template` with `form`. `notice` is the key of a text that tells what was done."""
    language, caller = page_language(), page_caller()
    html = page_templates().render(
        template,
        language,
        {
            "form": form,
            "caller": caller,
            "home": services().settings.login_redirect_url,
            "staff_home": _STAFF_HOME if services().settings.admin_pages and caller and caller.user.is_staff else "",
            "notice": page_text(notice) if notice else "",
            **values,
        },
    )
    response = Response(html, status or form.status, dict(form.headers), mimetype="text/html")
    response.headers["Content-Language"] = language
    response.headers["Content-Security-Policy"] = page_templates().policy_for(template)
    return response


def render_message(status: int, title: str, text: str) -> Response:
    """Return a page with a title and a text, which are keys."""
    return render("message.html", status=status, title=page_text(title), text=page_text(text))


def redirect(path: str, *, change: str = "") -> Response:
    """Return the redirect after a form: a GET of `path`. `change` tells the gateway to set or clear the cookie."""
    # RFC 9110 15.4.4. The Location is a path, so it does not depend on Host.
    headers: Mapping[str, str] = {"Location": path, **({CHANGE_HEADER: change} if change else {})}
    return Response("", 303, dict(headers), mimetype="text/html")


def set_page_headers(response: Response) -> Response:
    """Set the headers of every page: it is for one user, has no script, and no other site may frame it."""
    response.headers["Cache-Control"] = "no-store"
    response.headers.setdefault("Content-Security-Policy", page_templates().content_security_policy)
    response.headers["Referrer-Policy"] = _REFERRER_POLICY
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    return response


def done_notice(section: str) -> str:
    """Return the key of the notice that the query `?done=` of a redirect names; empty if there is no such text."""
    name = request.args.get("done", "")
    key = f"{section}.done_{name}"
    return key if name.isidentifier() and page_templates().has_text(key) else ""
