"""Answers /session/, by which a browser logs in, asks who it is, and logs out, without ever seeing a token.

The cookie is set by a log-in and cleared by a log-out, and where its handle proves nothing. A race that a tab has
lost, or an outage, never clears it.
"""

from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, jsonify, request

from chassis.clock import Clock
from chassis.json_body import MalformedJson, parse_json
from contract.credentials import split_cookies
from contract.problems import Refused, spread
from gateway.browser_sessions.sessions import BrowserSessions, LoginRefused, SessionGrant
from gateway.http.origin import AllowedOrigins
from gateway.http.response_headers import INSECURE_SESSION_COOKIE, SESSION_COOKIE
from gateway.pipeline.authenticators.session_cookie import SessionCookieAuthenticator
from gateway.pipeline.credentials import InvalidHandle, clearing, session_handle
from gateway.pipeline.csrf import CUSTOM_HEADER, check_same_origin, check_same_site

WaitFor = Callable[[Coroutine[Any, Any, Any]], Any]
"""Runs a coroutine on the worker's loop and gives its result to the thread that asks."""

_MAX_BODY = 16_384


@dataclass(frozen=True, slots=True)
class SessionCookie:
    """The cookie's form. Over plain http only localhost's browsers keep a Secure cookie, and not all of them."""

    secure: bool

    @property
    def name(self) -> str:
        """`__Host-` binds the cookie to this host and to TLS, so that no sibling host can plant one."""
        return SESSION_COOKIE if self.secure else INSECURE_SESSION_COOKIE

    def handle_in(self, cookies: str) -> str | None:
        """Return the handle in a Cookie field. Raises as session_handle."""
        values, _ = split_cookies([cookies.encode("latin-1")], self.name.encode("ascii"))
        return session_handle(values)

    @property
    def clearing(self) -> str:
        """The Set-Cookie value that has the browser forget the handle."""
        response = Response()
        self.clear_on(response)
        return response.headers["Set-Cookie"]

    def set_on(self, response: Response, handle: str, max_age: int) -> None:
        """Has the browser keep `handle` for `max_age` seconds."""
        response.set_cookie(
            self.name, handle, max_age=max_age, path="/", secure=self.secure, httponly=True, samesite="Strict"
        )

    def clear_on(self, response: Response) -> None:
        """Has the browser forget the handle."""
        response.delete_cookie(self.name, path="/", secure=self.secure, httponly=True, samesite="Strict")


def session_endpoints(
    sessions: BrowserSessions,
    authenticator: SessionCookieAuthenticator,
    cookie: SessionCookie,
    allowed_origins: AllowedOrigins,
    clock: Clock,
    wait_for: WaitFor,
) -> Blueprint:
    """The blueprint that answers /session/."""
    blueprint = Blueprint("session", __name__)

    @blueprint.before_request
    def check_origin() -> None:
        check_same_origin(
            request.method,
            custom_header=request.headers.get(CUSTOM_HEADER),
            origin=request.headers.get("Origin"),
            fetch_site=request.headers.get("Sec-Fetch-Site"),
            scheme=request.scheme,
            host=request.headers.get("Host"),
            allowed_origins=allowed_origins,
        )

    @blueprint.after_request
    def forbid_storing(response: Response) -> Response:
        response.headers["Cache-Control"] = "no-store"
        return response

    @blueprint.post("/session/")
    def log_in() -> Response:
        check_same_site(
            request.headers.get("Origin"),
            fetch_site=request.headers.get("Sec-Fetch-Site"),
            scheme=request.scheme,
            host=request.headers.get("Host"),
        )
        email, password = _read_login()
        device, address = request.headers.get("User-Agent", ""), request.remote_addr or ""
        try:
            handle, granted = wait_for(
                sessions.log_in(email, password, device=device, address=address, replaces=_replaced(cookie))
            )
        except LoginRefused as refused:
            return _auth_answer(refused)
        response = _told(granted)
        cookie.set_on(response, handle, max(0, int(granted.expires_at - clock())))
        return response

    @blueprint.get("/session/")
    def who() -> Response:
        try:
            handle = cookie.handle_in(request.headers.get("Cookie", ""))
        except InvalidHandle as error:
            raise clearing(Refused("session_ended"), cookie.clearing) from error
        if handle is None:
            raise Refused("no_credentials", "There is no session.")
        try:
            return _told(wait_for(authenticator.granted(handle)))
        except Refused as refused:
            if sessions.may_clear_cookie(handle):
                clearing(refused, cookie.clearing)
            raise

    @blueprint.delete("/session/")
    def log_out() -> Response:
        with suppress(InvalidHandle):  # which has no session to be ended
            handle = cookie.handle_in(request.headers.get("Cookie", ""))
            if handle is not None:
                wait_for(sessions.log_out(handle))
        response = Response(status=204)
        cookie.clear_on(response)
        return response

    return blueprint


def _replaced(cookie: SessionCookie) -> str | None:
    """The handle that came with a log-in. What is none has no session that could end."""
    with suppress(InvalidHandle, Refused):
        return cookie.handle_in(request.headers.get("Cookie", ""))
    return None


def _told(granted: SessionGrant) -> Response:
    return jsonify(user=granted.user, expires_at=int(granted.expires_at))


def _read_login() -> tuple[str, str]:
    if not request.is_json:
        raise Refused("unsupported_media_type", "Send application/json.")
    if (request.content_length or 0) > _MAX_BODY:
        raise Refused("body_too_large")
    try:
        members = parse_json(request.get_data())
    except MalformedJson as error:
        raise _invalid(error.field, error.reason) if error.field else Refused("bad_body", error.reason) from error
    if not isinstance(members, dict):
        raise Refused("bad_body", "The body must be a JSON object.")
    return _text(members, "email"), _text(members, "password")


def _text(members: dict[str, Any], field: str) -> str:
    value = members.get(field)
    if not isinstance(value, str) or not value:
        raise _invalid(field, "This field is required." if value in (None, "") else "Not a valid string.")
    return value


def _invalid(field: str, reason: str) -> Refused:
    return Refused("invalid_fields", f"{field}: {reason}", extra={"errors": {field: [reason]}})


def _auth_answer(refused: LoginRefused) -> Response:
    headers = {"WWW-Authenticate": 'Bearer realm="api"'} if refused.status == 401 else {}
    if refused.status in (429, 503):  # RFC 6585 4, RFC 9110 15.6.4
        headers["Retry-After"] = str(refused.retry_after or spread(1))
    return Response(refused.body, refused.status, headers, content_type="application/json")
