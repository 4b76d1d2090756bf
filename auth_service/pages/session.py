"""The browser session of a form: the gateway's offer of a handle, and the change of the session cookie."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, ParamSpec

import structlog
from flask import Response, abort, g, request
from werkzeug.exceptions import Forbidden

from auth_service.api.authentication import Caller
from auth_service.api.client_of_request import client_of_request
from auth_service.api.models.tokens import LogInRequest
from auth_service.api.request_body import read_body
from auth_service.page_templates.next_path import next_query, safe_next
from auth_service.pages.context import page_caller
from auth_service.pages.response import redirect, render
from auth_service.services import services
from chassis.secret_rotation.watched_secret import verify_with
from contract.claims import InvalidToken
from contract.device_cookie import DEVICE_COOKIE, DEVICE_COOKIE_LIFETIME, device_token_in
from contract.page_session import OFFER_HEADER, SessionOffer, opened, verify_offer

Arguments = ParamSpec("Arguments")

_log = structlog.get_logger("pages")


def require_offer() -> None:
    """Read the gateway's offer of a form. Raises Forbidden for a form that no gateway has checked."""
    if request.method != "POST":
        return
    token, now = request.headers.get(OFFER_HEADER, ""), services().clock()
    try:
        g.session_offer = verify_with(services().peer_secrets, lambda secret: verify_offer(token, secret, now=now))
    except InvalidToken as error:
        _log.warning("session_offer_refused", reason=error.reason)
        raise Forbidden from error


@dataclass(frozen=True, slots=True, repr=False)
class OpenedSession:
    """A new session: the change of the session cookie, and the new token of the device."""

    change: str
    device_token: str

    def redirect(self, path: str) -> Response:
        """Return the redirect to `path` that sets the cookies."""
        response = redirect(path, change=self.change)
        response.set_cookie(
            DEVICE_COOKIE,
            self.device_token,
            max_age=DEVICE_COOKIE_LIFETIME,
            path="/auth/login/",
            secure=request.headers.get("X-Forwarded-Proto") != "http",
            httponly=True,
            samesite="Strict",
        )
        return response


def log_in() -> OpenedSession:
    """Open a session with the e-mail address and the password of the form.

    The session of the cookie that came with the request ends. Raises ApiError, BadCredentials, Throttled or
    HashingBusy.
    """
    body, offer = read_body(LogInRequest), _offer()
    session = services().browser_sessions.open(
        body.email,
        body.password,
        offer.new_hash,
        client_of_request(),
        replaces=offer.current_hash,
        device_token=device_token_in(request.headers.get("Cookie", "")),
    )
    lifetime = max(0, int(session.grant.expires_at - services().clock()))
    return OpenedSession(opened(lifetime), session.device_token)


def account_page(
    view: Callable[Concatenate[Caller, Arguments], Response],
) -> Callable[Arguments, Response]:
    """Call `view` with the user who is logged in. Without one, lead to the log-in page and back."""

    @wraps(view)
    def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Response:
        caller = page_caller()
        if caller is not None:
            return view(caller, *args, **kwargs)
        path = request.full_path.rstrip("?") if request.method == "GET" else "/auth/account/"
        target = safe_next(path)
        if target and _comes_from_other_site():
            return render("reload.html", path=target)
        return redirect(f"/auth/login/{next_query(target)}")

    return guarded


def _comes_from_other_site() -> bool:
    # A browser does not send a SameSite=Strict cookie if a page of another site, such as a mail program, leads here.
    # It sends the cookie when the page loads itself again.
    headers = request.headers
    is_navigation = request.method == "GET" and headers.get("Sec-Fetch-Dest") == "document"
    return is_navigation and headers.get("Sec-Fetch-Site") == "cross-site"


def _offer() -> SessionOffer:
    offer = g.get("session_offer")
    if not isinstance(offer, SessionOffer):
        abort(403)
    return offer
