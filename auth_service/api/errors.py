"""Error responses of /auth/, with the bodies that clients of djoser know instead of problem details.

A view raises them: `raise not_found()`. error_handlers.py turns them into responses.
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
class ApiError(Exception):
    """An error response: its status, JSON body and headers. A `body` of None is an empty body."""

    status: int
    body: JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_response(self) -> Response:
        """Return the HTTP response."""
        text = "" if self.body is None else f"{json.dumps(self.body)}\n"
        return Response(text, self.status, dict(self.headers), content_type="application/json")


def invalid_fields(complaints: Mapping[str, Sequence[str]]) -> ApiError:
    """400: the texts for each invalid field."""
    return ApiError(400, {name: list(texts) for name, texts in complaints.items()})


def malformed_body(detail: str) -> ApiError:
    """400: the body cannot be parsed."""
    return ApiError(400, {"detail": detail})


def no_credentials() -> ApiError:
    """401: the request has no access token. The challenge has no error code. RFC 6750 3.1."""
    body: JSON = {"detail": "Authentication credentials were not provided."}
    return ApiError(401, body, {"WWW-Authenticate": _ANONYMOUS})


def bad_authorization_header() -> ApiError:
    """401: the Authorization header is not `Bearer` and one token."""
    body: JSON = {
        "detail": "Authorization header must contain two space-delimited values",
        "code": "bad_authorization_header",
    }
    return ApiError(401, body, {"WWW-Authenticate": _INVALID_TOKEN})


def bad_access_token(reason: str) -> ApiError:
    """401: the access token in the header is invalid."""
    message: JSON = {"token_class": "AccessToken", "token_type": "access", "message": reason}
    body: JSON = {
        "detail": "Given token not valid for any token type",
        "code": "token_not_valid",
        "messages": [message],
    }
    return ApiError(401, body, {"WWW-Authenticate": _INVALID_TOKEN})


def bad_token(reason: str) -> ApiError:
    """401: the token in the body is invalid, or its user was deleted."""
    return refused_user(reason, "token_not_valid")


def refused_user(detail: str, code: str) -> ApiError:
    """401: the token is valid, but its user is deleted or inactive."""
    return ApiError(401, {"detail": detail, "code": code}, {"WWW-Authenticate": _INVALID_TOKEN})


def inactive_account_of_token() -> ApiError:
    """401: the refresh token is valid, but its user is inactive."""
    body: JSON = {"detail": "No active account found for the given token."}
    return ApiError(401, body, {"WWW-Authenticate": _INVALID_TOKEN})


def bad_credentials() -> ApiError:
    """401: the same for a wrong password, an unknown address and an inactive user."""
    body: JSON = {"detail": "No active account found with the given credentials"}
    return ApiError(401, body, {"WWW-Authenticate": _ANONYMOUS})


def forbidden() -> ApiError:
    """403: the caller may not do this."""
    return ApiError(403, {"detail": "You do not have permission to perform this action."})


def not_found(detail: str = "Not found.") -> ApiError:
    """404: the resource does not exist, or the caller may not see it."""
    return ApiError(404, {"detail": detail})


def method_not_allowed(method: str) -> ApiError:
    """405: the view adds the Allow header."""
    return ApiError(405, {"detail": f'Method "{method}" not allowed.'})


def unsupported_media_type(media_type: str) -> ApiError:
    """415: the body is neither JSON nor a form."""
    return ApiError(415, {"detail": f'Unsupported media type "{media_type}" in request.'})


def store_unavailable() -> ApiError:
    """503: the database does not answer. Never 401, which would make the client drop its tokens."""
    body: JSON = {"detail": "A store is not available at the moment.", "code": "store_unavailable"}
    return ApiError(503, body, {"Retry-After": str(STORE_RETRY_AFTER)})


def hashing_busy() -> ApiError:
    """503: too many passwords wait to be hashed."""
    body: JSON = {"detail": "Too many logins at the moment.", "code": "busy"}
    return ApiError(503, body, {"Retry-After": str(spread(HASHING_RETRY_AFTER))})


def throttled(seconds: int) -> ApiError:
    """429: too many attempts for an account or from an address; the answer does not tell which. In seconds."""
    wait = spread(seconds)
    body: JSON = {"detail": f"Request was throttled. Expected available in {wait} seconds.", "code": "throttled"}
    return ApiError(429, body, {"Retry-After": str(wait)})


def session_ended(seconds_ago: float | None) -> ApiError:
    """404: the session of the handle has ended, or never existed."""
    body: JSON = {
        "detail": "There is no such session, or it has ended.",
        "code": SESSION_ENDED,
        "ended_seconds_ago": seconds_ago,
    }
    return ApiError(404, body)
