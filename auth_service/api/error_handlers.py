"""The error response for each exception that a view can raise."""

from collections.abc import Callable, Mapping

import structlog
from flask import Blueprint, Response
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import HTTPException

from auth_service.accounts.passwords.hashing import HashingBusy
from auth_service.accounts.roles import InvalidRole
from auth_service.accounts.store import EmailTaken, LastStaffUser
from auth_service.administration.role_protection import ProtectedRole
from auth_service.administration.user_administration import NoSuchUser, NotInvitable, OwnAccount, RolesConflict
from auth_service.api.errors import (
    ApiError,
    bad_credentials,
    bad_token,
    claims_unavailable,
    conflict,
    error_with_detail,
    hashing_busy,
    inactive_user_of_token,
    invalid_fields,
    malformed_body,
    not_found,
    protected_role,
    session_ended,
    store_unavailable,
    throttled,
)
from auth_service.browser_sessions.service import NoLiveSession
from auth_service.sessions.refresh import NoActiveAccount, RefreshConflict
from auth_service.sessions.store import HandleTaken
from auth_service.store_errors import StoreUnavailable
from auth_service.throttling.login_throttle import Throttled
from auth_service.tokens.claims_hook import ClaimsUnavailable
from auth_service.tokens.grants import BadCredentials
from contract.claims import InvalidToken

_log = structlog.get_logger("store")


def install_error_handlers(blueprint: Blueprint) -> None:
    """Let `blueprint` answer each exception in ERRORS with its error response."""
    for exception, error_for in ERRORS.items():
        blueprint.register_error_handler(exception, _responding(error_for))


def _responding(error_for: Callable[..., ApiError]) -> Callable[[Exception], Response]:
    def handler(exception: Exception) -> Response:
        return error_for(exception).to_response()

    return handler


def _no_active_account(exception: NoActiveAccount) -> ApiError:
    if exception.is_deleted:
        return bad_token("No active account found for the given token.")
    return inactive_user_of_token()


def _store_unavailable(exception: Exception) -> ApiError:
    _log.error("store_unavailable", error=str(exception) or type(exception).__name__)
    return store_unavailable()


ERRORS: Mapping[type[Exception], Callable[..., ApiError]] = {
    ApiError: lambda error: error,
    HTTPException: lambda error: error_with_detail(error.code or 500, error.name),
    # gunicorn parses a chunked body only when the view reads it.
    ParseException: lambda _: malformed_body("The body's framing is broken."),
    BadCredentials: lambda _: bad_credentials(),
    InvalidToken: lambda error: bad_token(error.reason),
    NoActiveAccount: _no_active_account,
    EmailTaken: lambda _: invalid_fields({"email": ["user with this email already exists."]}),
    InvalidRole: lambda error: invalid_fields({"roles": [str(error)]}),
    ProtectedRole: lambda error: protected_role(error.role),
    LastStaffUser: lambda _: conflict("last_staff", "No other active user has the role staff: grant it first."),
    OwnAccount: lambda _: conflict(
        "own_account", "Staff cannot deactivate themselves or give up their role staff: another staff user can."
    ),
    NotInvitable: lambda _: conflict("not_invitable", "The user is not waiting for an invitation."),
    RolesConflict: lambda _: conflict("roles_conflict", "The roles are being changed by others: try again."),
    NoSuchUser: lambda _: not_found("No User matches the given query."),
    HandleTaken: lambda _: invalid_fields({"handle_hash": ["This handle is in use."]}),
    NoLiveSession: lambda error: session_ended(error.ended_seconds_ago),
    Throttled: lambda error: throttled(error.seconds),
    HashingBusy: lambda _: hashing_busy(),
    ClaimsUnavailable: lambda _: claims_unavailable(),
    RefreshConflict: _store_unavailable,
    StoreUnavailable: _store_unavailable,
}
"""The function that returns the error response for an exception. Flask chooses the most specific class."""
