"""Error responses of /auth/ and /internal/sessions.

Their bodies have the form that clients of djoser know, not that of problem details. A view raises them:
`raise not_found()`. error_handlers.py turns them into responses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from flask import Response
from pydantic import BaseModel

from auth_service.api.models.errors import (
    AccessTokenErrorResponse,
    CodedErrorResponse,
    ErrorListResponse,
    ErrorResponse,
    FieldErrorsResponse,
    InsufficientAuthenticationResponse,
    ProtectedRoleResponse,
    SessionEndedResponse,
    TokenErrorMessage,
)
from auth_service.api.response_body import json_response
from contract.problems import jittered_retry_after

_CHALLENGE = 'Bearer realm="api"'
_INVALID_TOKEN_CHALLENGE = 'Bearer realm="api", error="invalid_token"'  # noqa: S105 - a challenge, no token

STORE_RETRY_SECONDS = 2
"""Retry-After of the 503 while the database is unavailable."""
CLAIMS_RETRY_SECONDS = 5
"""Retry-After of the 503 after the claims hook has failed."""
HASHING_RETRY_SECONDS = 5
"""Retry-After, before jitter, of the 503 while the queue of passwords to hash is full."""


@dataclass(slots=True)
class ApiError(Exception):
    """An error response. `body` is None for an empty body."""

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


def error_with_detail(status: int, detail: str, code: str = "", headers: Mapping[str, str] | None = None) -> ApiError:
    """Return an error with the text `detail` and, if it is not empty, the code `code`."""
    body = CodedErrorResponse(detail=detail, code=code) if code else ErrorResponse(detail=detail)
    return ApiError(status, body, headers or {})


def invalid_fields(texts: Mapping[str, Sequence[str]]) -> ApiError:
    """Return the 400 with the texts for each invalid field."""
    return ApiError(400, FieldErrorsResponse({name: list(found) for name, found in texts.items()}))


def email_not_found() -> ApiError:
    """Return the 400 for an address without an account, if PASSWORD_RESET_SHOW_EMAIL_NOT_FOUND is on."""
    return ApiError(400, ErrorListResponse(["User with given email does not exist."]))


def malformed_body(detail: str) -> ApiError:
    """Return the 400 for a body that cannot be parsed."""
    return error_with_detail(400, detail)


def no_credentials() -> ApiError:
    """Return the 401 for a request without an access token. Its challenge has no error code (RFC 6750 3.1)."""
    return error_with_detail(
        401, "Authentication credentials were not provided.", headers={"WWW-Authenticate": _CHALLENGE}
    )


def bad_authorization_header() -> ApiError:
    """Return the 401 for an Authorization header that is not `Bearer` and one token."""
    detail = "Authorization header must contain two space-delimited values"
    return error_with_detail(401, detail, "bad_authorization_header", {"WWW-Authenticate": _INVALID_TOKEN_CHALLENGE})


def bad_access_token(reason: str) -> ApiError:
    """Return the 401 for an invalid access token in the header."""
    body = AccessTokenErrorResponse(messages=[TokenErrorMessage(message=reason)])
    return ApiError(401, body, {"WWW-Authenticate": _INVALID_TOKEN_CHALLENGE})


def bad_token(reason: str) -> ApiError:
    """Return the 401 for an invalid token in the body, one that names no user, or one whose user was deleted."""
    return error_with_detail(401, reason, "token_not_valid", {"WWW-Authenticate": _INVALID_TOKEN_CHALLENGE})


def refused_user(detail: str, code: str) -> ApiError:
    """Return the 401 for a valid access token whose user was deleted or is inactive."""
    return error_with_detail(401, detail, code, {"WWW-Authenticate": _INVALID_TOKEN_CHALLENGE})


def inactive_user_of_token() -> ApiError:
    """Return the 401 for a valid refresh token whose user is inactive."""
    detail = "No active account found for the given token."
    return error_with_detail(401, detail, headers={"WWW-Authenticate": _INVALID_TOKEN_CHALLENGE})


def bad_credentials() -> ApiError:
    """Return the 401 for a failed log-in: the same for a wrong password, an unknown address and an inactive user."""
    detail = "No active account found with the given credentials"
    return error_with_detail(401, detail, headers={"WWW-Authenticate": _CHALLENGE})


def forbidden() -> ApiError:
    """Return the 403 for a caller without permission."""
    return error_with_detail(403, "You do not have permission to perform this action.")


def protected_role(role: str) -> ApiError:
    """Return the 403 for staff who would give or take a protected role, or manage a user who holds it."""
    return ApiError(403, ProtectedRoleResponse(role=role))


def insufficient_user_authentication(max_age: int) -> ApiError:
    """Return the 403 for a dangerous act if the user entered the password longer than `max_age` seconds ago.

    The names are those of RFC 9470. Its status 401 is not used: clients answer a 401 by refreshing their tokens.
    """
    challenge = f'{_CHALLENGE}, error="insufficient_user_authentication", max_age="{max_age}"'
    body = InsufficientAuthenticationResponse(max_age=max_age)
    return ApiError(403, body, {"WWW-Authenticate": challenge})


def not_found(detail: str = "Not found.") -> ApiError:
    """Return the 404 for a resource that does not exist or that the caller may not see."""
    return error_with_detail(404, detail)


def conflict(code: str, detail: str) -> ApiError:
    """Return the 409 for a change that the state of an account does not allow."""
    return error_with_detail(409, detail, code)


def method_not_allowed(method: str) -> ApiError:
    """Return the 405. The blueprint adds the Allow header."""
    return error_with_detail(405, f'Method "{method}" not allowed.')


def unsupported_media_type(media_type: str) -> ApiError:
    """Return the 415 for a body that is neither JSON nor a form."""
    return error_with_detail(415, f'Unsupported media type "{media_type}" in request.')


def store_unavailable() -> ApiError:
    """Return the 503 for an unavailable database. A 401 would make the client discard its tokens."""
    headers = {"Retry-After": str(STORE_RETRY_SECONDS)}
    return error_with_detail(503, "A store is not available at the moment.", "store_unavailable", headers)


def claims_unavailable() -> ApiError:
    """Return the 503 for a claims hook that failed. A 401 would make the client discard its tokens."""
    headers = {"Retry-After": str(CLAIMS_RETRY_SECONDS)}
    return error_with_detail(503, "The claims of the token are not available.", "claims_unavailable", headers)


def hashing_busy() -> ApiError:
    """Return the 503 for a full queue of passwords to hash."""
    return busy(jittered_retry_after(HASHING_RETRY_SECONDS))


def busy(retry_after: int) -> ApiError:
    """Return the 503 for a full queue of passwords to hash, with a Retry-After of `retry_after` seconds."""
    headers = {"Retry-After": str(retry_after)}
    return error_with_detail(503, "Too many logins at the moment.", "busy", headers)


def throttled(seconds: int) -> ApiError:
    """Return the 429 for too many attempts. The next one may be made after `seconds`, plus jitter."""
    return throttled_until(jittered_retry_after(seconds))


def throttled_until(retry_after: int) -> ApiError:
    """Return the 429 for too many attempts. The next one may be made after `retry_after` seconds."""
    detail = f"Request was throttled. Expected available in {retry_after} seconds."
    return error_with_detail(429, detail, "throttled", {"Retry-After": str(retry_after)})


def session_ended(seconds_ago: float | None) -> ApiError:
    """Return the 404 for a handle whose session has ended or never existed."""
    return ApiError(404, SessionEndedResponse(ended_seconds_ago=seconds_ago))
