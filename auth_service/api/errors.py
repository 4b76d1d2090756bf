"""Error responses of /auth/, with the bodies that clients of djoser know instead of problem details.

A view raises them: `raise not_found()`. error_handlers.py turns them into responses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from flask import Response
from pydantic import BaseModel

from auth_service.api.models.errors import (
    AccessTokenErrorResponse,
    CodedErrorResponse,
    ErrorResponse,
    FieldErrorsResponse,
    SessionEndedResponse,
    TokenErrorMessage,
)
from auth_service.api.response_body import json_response
from contract.problems import jittered_retry_after

_ANONYMOUS = 'Bearer realm="api"'
_INVALID_TOKEN = 'Bearer realm="api", error="invalid_token"'  # noqa: S105 - a challenge, no token

STORE_RETRY_AFTER = 2
"""Seconds."""
HASHING_RETRY_AFTER = 5
"""Seconds."""


@dataclass(slots=True)
class ApiError(Exception):
    """An error response. A `body` of None is an empty body."""

    status: int
    body: BaseModel | None
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_response(self) -> Response:
        """Return the HTTP response."""
        if self.body is None:
            return Response("", self.status, dict(self.headers), content_type="application/json")
        response = json_response(self.body, self.status)
        response.headers.extend(self.headers)
        return response


def detailed(status: int, detail: str, code: str = "", headers: Mapping[str, str] | None = None) -> ApiError:
    """Return an error with a sentence and, if `code` is not empty, a code."""
    body = CodedErrorResponse(detail=detail, code=code) if code else ErrorResponse(detail=detail)
    return ApiError(status, body, headers or {})


def invalid_fields(texts: Mapping[str, Sequence[str]]) -> ApiError:
    """400: the texts for each invalid field."""
    return ApiError(400, FieldErrorsResponse({name: list(found) for name, found in texts.items()}))


def malformed_body(detail: str) -> ApiError:
    """400: the body cannot be parsed."""
    return detailed(400, detail)


def no_credentials() -> ApiError:
    """401: the request has no access token. The challenge has no error code. RFC 6750 3.1."""
    return detailed(401, "Authentication credentials were not provided.", headers={"WWW-Authenticate": _ANONYMOUS})


def bad_authorization_header() -> ApiError:
    """401: the Authorization header is not `Bearer` and one token."""
    detail = "Authorization header must contain two space-delimited values"
    return detailed(401, detail, "bad_authorization_header", {"WWW-Authenticate": _INVALID_TOKEN})


def bad_access_token(reason: str) -> ApiError:
    """401: the access token in the header is invalid."""
    body = AccessTokenErrorResponse(messages=[TokenErrorMessage(message=reason)])
    return ApiError(401, body, {"WWW-Authenticate": _INVALID_TOKEN})


def bad_token(reason: str) -> ApiError:
    """401: the token in the body is invalid, or its user was deleted."""
    return refused_user(reason, "token_not_valid")


def refused_user(detail: str, code: str) -> ApiError:
    """401: the token is valid, but its user is deleted or inactive."""
    return detailed(401, detail, code, {"WWW-Authenticate": _INVALID_TOKEN})


def inactive_user_of_token() -> ApiError:
    """401: the refresh token is valid, but its user is inactive."""
    detail = "No active account found for the given token."
    return detailed(401, detail, headers={"WWW-Authenticate": _INVALID_TOKEN})


def bad_credentials() -> ApiError:
    """401: the same for a wrong password, an unknown address and an inactive user."""
    detail = "No active account found with the given credentials"
    return detailed(401, detail, headers={"WWW-Authenticate": _ANONYMOUS})


def forbidden() -> ApiError:
    """403: the caller may not do this."""
    return detailed(403, "You do not have permission to perform this action.")


def not_found(detail: str = "Not found.") -> ApiError:
    """404: the resource does not exist, or the caller may not see it."""
    return detailed(404, detail)


def method_not_allowed(method: str) -> ApiError:
    """405: the view adds the Allow header."""
    return detailed(405, f'Method "{method}" not allowed.')


def unsupported_media_type(media_type: str) -> ApiError:
    """415: the body is neither JSON nor a form."""
    return detailed(415, f'Unsupported media type "{media_type}" in request.')


def store_unavailable() -> ApiError:
    """503: the database does not answer. Never 401, which would make the client drop its tokens."""
    headers = {"Retry-After": str(STORE_RETRY_AFTER)}
    return detailed(503, "A store is not available at the moment.", "store_unavailable", headers)


def hashing_busy() -> ApiError:
    """503: too many passwords wait to be hashed."""
    headers = {"Retry-After": str(jittered_retry_after(HASHING_RETRY_AFTER))}
    return detailed(503, "Too many logins at the moment.", "busy", headers)


def throttled(seconds: int) -> ApiError:
    """429: too many attempts. The next may be made in `seconds`; the counter that refused it is not named."""
    wait = jittered_retry_after(seconds)
    detail = f"Request was throttled. Expected available in {wait} seconds."
    return detailed(429, detail, "throttled", {"Retry-After": str(wait)})


def session_ended(seconds_ago: float | None) -> ApiError:
    """404: the session of the handle has ended, or never existed."""
    return ApiError(404, SessionEndedResponse(ended_seconds_ago=seconds_ago))
