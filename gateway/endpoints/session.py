"""The views of /session/: a browser logs in, reads its session and logs out, without receiving a token.

A log-in sets the session cookie. A log-out deletes it, and so does a request whose cookie is malformed or whose
session has ended, unless it ended recently. A request that fails for another reason never deletes it.
So neither an outage nor a race between two tabs logs a user out.
"""

from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from flask import Blueprint, Response, jsonify, request

from chassis.clock import Clock
from chassis.json_body import MalformedJson, parse_json
from chassis.openapi.description import ResponseDescription, ViewDescription, described
from chassis.openapi.problem_details import problem
from contract.device_cookie import device_token_in
from contract.problems import Refused, jittered_retry_after
from gateway.browser_sessions.sessions import BrowserSessions, LoginRefused, SessionGrant
from gateway.endpoints.api_models import OF_TOKENS, LogInError, LogInRequest, SessionResponse
from gateway.endpoints.session_cookie import SessionCookie
from gateway.http.origin import AllowedOrigins
from gateway.http.response_headers import SESSION_COOKIE
from gateway.pipeline.authenticators.session_cookie import SessionCookieAuthenticator
from gateway.pipeline.credentials import InvalidHandle, clear_session_cookie
from gateway.pipeline.csrf import CUSTOM_HEADER, check_csrf, check_same_site

WaitFor = Callable[[Coroutine[Any, Any, Any]], Any]
"""Runs a coroutine on the worker's event loop, and returns its result to the calling thread."""

MAX_BODY_BYTES = 16_384
"""Maximum size of a log-in request's body. The longest e-mail address and password take about 6 KB as JSON."""

_COOKIE_EXAMPLE = f"{SESSION_COOKIE}=R2h0Yz...; Secure; HttpOnly; Path=/; SameSite=Strict"
_OF_BODY = (
    problem("bad_body", "The body must be a JSON object."),
    problem(
        "invalid_fields", "email: This field is required.", extra={"errors": {"email": ["This field is required."]}}
    ),
    problem("body_too_large"),
    problem("unsupported_media_type", "Send application/json."),
)
_LOGIN_REFUSED = ResponseDescription(
    401,
    LogInError,
    name="bad_credentials",
    example={"detail": "No active account found with the given credentials"},
    headers={"WWW-Authenticate": 'Bearer realm="api"'},
)
_THROTTLED = tuple(
    ResponseDescription(
        status, LogInError, name=code, example={"detail": text, "code": code}, headers={"Retry-After": "7"}
    )
    for status, code, text in (
        (429, "throttled", "Request was throttled. Expected available in 7 seconds."),
        (503, "busy", "Too many logins at the moment."),
        (503, "claims_unavailable", "The claims of the token are not available."),
    )
)


class SessionEndpoints:
    """The views of /session/ and their blueprint."""

    def __init__(
        self,
        sessions: BrowserSessions,
        authenticator: SessionCookieAuthenticator,
        cookie: SessionCookie,
        allowed_origins: AllowedOrigins,
        clock: Clock,
        wait_for: WaitFor,
    ) -> None:
        self._sessions = sessions
        self._authenticator = authenticator
        self._cookie = cookie
        self._allowed_origins = allowed_origins
        self._clock = clock
        self._wait_for = wait_for

    def blueprint(self) -> Blueprint:
        """Return the blueprint of these views."""
        blueprint = Blueprint("session", __name__)
        blueprint.before_request(self._check_origin)
        blueprint.after_request(_forbid_caching)
        blueprint.add_url_rule("/session/", view_func=self.log_in, methods=["POST"])
        blueprint.add_url_rule("/session/", view_func=self.show_session, methods=["GET"])
        blueprint.add_url_rule("/session/", view_func=self.log_out, methods=["DELETE"])
        return blueprint

    @described(
        ViewDescription(
            (
                ResponseDescription(200, SessionResponse, headers={"Set-Cookie": _COOKIE_EXAMPLE}),
                *_OF_BODY,
                problem("cross_site"),
                _LOGIN_REFUSED,
                *_THROTTLED,
                problem("auth_unavailable", retry_after=3),
                problem("peer_rejected"),
            ),
            body=LogInRequest,
            needs_caller=False,
            operation_id="openSession",
        )
    )
    def log_in(self) -> Response:
        """Log in with e-mail and password, and set the cookie. The session of the request's own cookie ends.

        Responds with the auth service's 400, 401, 429 or 503 if that refuses the log-in.
        """
        check_same_site(
            request.headers.get("Origin"),
            fetch_site=request.headers.get("Sec-Fetch-Site"),
            scheme=request.scheme,
            host=request.headers.get("Host"),
        )
        email, password = _read_login()
        device, address = request.headers.get("User-Agent", ""), request.remote_addr or ""
        login = self._sessions.log_in(
            email,
            password,
            device=device,
            address=address,
            replaces=self._replaced_handle(),
            device_token=device_token_in(_cookies()),
        )
        try:
            opened = self._wait_for(login)
        except LoginRefused as refused:
            return _login_refusal(refused)
        response = _session_response(opened.grant)
        self._cookie.set_on(response, opened.handle, max(0, int(opened.grant.expires_at - self._clock())))
        if opened.device_token:
            self._cookie.set_device_token_on(response, opened.device_token, request.path)
        return response

    @described(
        ViewDescription(
            (
                ResponseDescription(200, SessionResponse),
                problem("multiple_credentials"),
                problem("no_credentials", "There is no session."),
                problem("session_ended"),
                *OF_TOKENS,
            ),
            operation_id="showSession",
        )
    )
    def show_session(self) -> Response:
        """Return the user and the expiry of the session of the request's cookie. 401 if there is no live session."""
        try:
            handle = self._cookie.handle_in(_cookies())
        except InvalidHandle as error:
            raise clear_session_cookie(Refused("session_ended"), self._cookie.clearing) from error
        if handle is None:
            raise Refused("no_credentials", "There is no session.")
        try:
            return _session_response(self._wait_for(self._authenticator.valid_grant(handle)))
        except Refused as refused:
            if self._sessions.may_clear_cookie(handle):
                clear_session_cookie(refused, self._cookie.clearing)
            raise

    @described(
        ViewDescription(
            (
                ResponseDescription(204, None),
                problem("multiple_credentials"),
                problem("cross_site"),
                problem("auth_unavailable", retry_after=3),
                problem("peer_rejected"),
            ),
            operation_id="closeSession",
        )
    )
    def log_out(self) -> Response:
        """End the session and delete the cookie. 204 also without a session; 502 or 503 if it may still be live."""
        with suppress(InvalidHandle):  # an invalid handle has no session to end
            handle = self._cookie.handle_in(_cookies())
            if handle is not None:
                self._wait_for(self._sessions.log_out(handle))
        response = Response(status=204)
        self._cookie.clear_on(response)
        return response

    def _replaced_handle(self) -> str | None:
        with suppress(InvalidHandle, Refused):
            return self._cookie.handle_in(_cookies())
        return None

    def _check_origin(self) -> None:
        check_csrf(
            request.method,
            custom_header=request.headers.get(CUSTOM_HEADER),
            origin=request.headers.get("Origin"),
            fetch_site=request.headers.get("Sec-Fetch-Site"),
            scheme=request.scheme,
            host=request.headers.get("Host"),
            allowed_origins=self._allowed_origins,
        )


def _cookies() -> str:
    return request.headers.get("Cookie", "")


def _forbid_caching(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response


def _session_response(grant: SessionGrant) -> Response:
    return jsonify(user=grant.user, expires_at=int(grant.expires_at))


def _read_login() -> tuple[str, str]:
    if not request.is_json:
        raise Refused("unsupported_media_type", "Send application/json.")
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise Refused("body_too_large")
    try:
        members = parse_json(request.get_data())
    except MalformedJson as error:
        raise (
            _invalid_field(error.field, error.reason) if error.field else Refused("bad_body", error.reason)
        ) from error
    if not isinstance(members, dict):
        raise Refused("bad_body", "The body must be a JSON object.")
    return _required_text(members, "email"), _required_text(members, "password")


def _required_text(members: dict[str, Any], field: str) -> str:
    value = members.get(field)
    if not isinstance(value, str) or not value:
        raise _invalid_field(field, "This field is required." if value in (None, "") else "Not a valid string.")
    return value


def _invalid_field(field: str, reason: str) -> Refused:
    return Refused("invalid_fields", f"{field}: {reason}", extra={"errors": {field: [reason]}})


def _login_refusal(refused: LoginRefused) -> Response:
    headers = {"WWW-Authenticate": 'Bearer realm="api"'} if refused.status == 401 else {}
    if refused.status in (429, 503):  # RFC 6585 4, RFC 9110 15.6.4
        headers["Retry-After"] = str(refused.retry_after or jittered_retry_after(1))
    return Response(refused.body, refused.status, headers, content_type="application/json")
