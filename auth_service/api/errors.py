"""Owns how everything under /auth/ says no: in the bodies that clients of this API know, not as problem details.

A refusal is a value: `raise not_found()`. One place turns it into an answer.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from flask import Response

from chassis.json_body import JSON
from contract.internal import SESSION_ENDED
from contract.problems import spread

_ANONYMOUS = 'Bearer realm="api"'
_INVALID_TOKEN = 'Bearer realm="api", error="invalid_token"'  # noqa: S105 - a challenge, no token

STORE_RETRY_AFTER = 2
HASHING_RETRY_AFTER = 5
"""Seconds."""


@dataclass(slots=True)
class AuthRefused(Exception):
    """A status, a JSON body (none where it is None), and the headers that go with them."""

    status: int
    body: JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_response(self) -> Response:
        """The answer that says this."""
        text = "" if self.body is None else f"{json.dumps(self.body)}\n"
        return Response(text, self.status, dict(self.headers), content_type="application/json")


def invalid_fields(complaints: Mapping[str, Sequence[str]]) -> AuthRefused:
    """400: what is wrong with each field."""
    return AuthRefused(400, {name: list(texts) for name, texts in complaints.items()})


def malformed_body(detail: str) -> AuthRefused:
    """400: the body cannot be read."""
    return AuthRefused(400, {"detail": detail})


def no_credentials() -> AuthRefused:
    """401 without an error code: nobody tried (RFC 6750 3.1)."""
    body: JSON = {"detail": "Authentication credentials were not provided."}
    return AuthRefused(401, body, {"WWW-Authenticate": _ANONYMOUS})


def bad_authorization_header() -> AuthRefused:
    """401: the header holds one word, or more than two."""
    body: JSON = {
        "detail": "Authorization header must contain two space-delimited values",
        "code": "bad_authorization_header",
    }
    return AuthRefused(401, body, {"WWW-Authenticate": _INVALID_TOKEN})


def bad_access_token(reason: str) -> AuthRefused:
    """401: the access token in the header is refused."""
    message: JSON = {"token_class": "AccessToken", "token_type": "access", "message": reason}
    body: JSON = {
        "detail": "Given token not valid for any token type",
        "code": "token_not_valid",
        "messages": [message],
    }
    return AuthRefused(401, body, {"WWW-Authenticate": _INVALID_TOKEN})


def bad_token(reason: str) -> AuthRefused:
    """401: the token in the body, or the user it names, is refused."""
    return refused_user(reason, "token_not_valid")


def refused_user(detail: str, code: str) -> AuthRefused:
    """401: the token is good, its user is not."""
    return AuthRefused(401, {"detail": detail, "code": code}, {"WWW-Authenticate": _INVALID_TOKEN})


def inactive_account_of_token() -> AuthRefused:
    """401: the refresh token is good, its user barred."""
    body: JSON = {"detail": "No active account found for the given token."}
    return AuthRefused(401, body, {"WWW-Authenticate": _INVALID_TOKEN})


def bad_credentials() -> AuthRefused:
    """401: the same for a wrong password, an unknown address and a barred user."""
    body: JSON = {"detail": "No active account found with the given credentials"}
    return AuthRefused(401, body, {"WWW-Authenticate": _ANONYMOUS})


def forbidden() -> AuthRefused:
    """403."""
    return AuthRefused(403, {"detail": "You do not have permission to perform this action."})


def not_found(detail: str = "Not found.") -> AuthRefused:
    """404."""
    return AuthRefused(404, {"detail": detail})


def method_not_allowed(method: str) -> AuthRefused:
    """405; the endpoint adds Allow."""
    return AuthRefused(405, {"detail": f'Method "{method}" not allowed.'})


def unsupported_media_type(media_type: str) -> AuthRefused:
    """415."""
    return AuthRefused(415, {"detail": f'Unsupported media type "{media_type}" in request.'})


def store_unavailable() -> AuthRefused:
    """503: the database does not answer. Never 401: the client's tokens are good."""
    body: JSON = {"detail": "A store is not available at the moment.", "code": "store_unavailable"}
    return AuthRefused(503, body, {"Retry-After": str(STORE_RETRY_AFTER)})


def hashing_busy() -> AuthRefused:
    """503: too many passwords to verify at once."""
    body: JSON = {"detail": "Too many logins at the moment.", "code": "busy"}
    return AuthRefused(503, body, {"Retry-After": str(spread(HASHING_RETRY_AFTER))})


def throttled(seconds: int) -> AuthRefused:
    """429: too many tries, for an account or from an address; of which is not said."""
    wait = spread(seconds)
    body: JSON = {"detail": f"Request was throttled. Expected available in {wait} seconds.", "code": "throttled"}
    return AuthRefused(429, body, {"Retry-After": str(wait)})


def session_ended(seconds_ago: float | None) -> AuthRefused:
    """404: the handle's session has ended, or there never was one."""
    body: JSON = {
        "detail": "There is no such session, or it has ended.",
        "code": SESSION_ENDED,
        "ended_seconds_ago": seconds_ago,
    }
    return AuthRefused(404, body)
