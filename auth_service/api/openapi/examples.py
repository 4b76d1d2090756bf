"""Errors that several views raise, as examples for `described`."""

from auth_service.accounts.roles import MAX_ROLE
from auth_service.accounts.user import AccountStatus
from auth_service.api.admin.parameters import WRONG_TIME
from auth_service.api.errors import (
    bad_token,
    busy,
    claims_unavailable,
    conflict,
    email_not_found,
    error_with_detail,
    inactive_user_of_token,
    insufficient_user_authentication,
    invalid_fields,
    not_found,
    protected_role,
    throttled_until,
)
from auth_service.webhooks.outbox import DeliveryStatus
from contract.device_cookie import DEVICE_COOKIE

BUSY = busy(7)
CLAIMS_UNAVAILABLE = claims_unavailable()
THROTTLED = throttled_until(42)
NO_USER = not_found("No User matches the given query.")
NO_PAGE = not_found("Invalid page.")
EMAIL_TAKEN = invalid_fields({"email": ["user with this email already exists."]})
EMAIL_NOT_FOUND = email_not_found()
WRONG_PASSWORD = invalid_fields({"current_password": ["Invalid password."]})
WEAK_PASSWORD = invalid_fields({"new_password": ["This password is too common."]})
WEAK_FIRST_PASSWORD = invalid_fields({"password": ["This password is too common."]})
BAD_LINK = invalid_fields({"token": ["Invalid token for given user."]})
USED_LINK = error_with_detail(403, "Stale token for given user.")
OWN_ACCOUNT = conflict(
    "own_account", "Staff cannot deactivate themselves or give up their role staff: another staff user can."
)
PROTECTED_ROLE = protected_role("admin")
LAST_STAFF = conflict("last_staff", "No other active user has the role staff: grant it first.")
ROLES_CONFLICT = conflict("roles_conflict", "The roles are being changed by others: try again.")
NOT_INVITABLE = conflict("not_invitable", "The user is not waiting for an invitation.")
BAD_ROLE = invalid_fields({"roles": [f"A role must have at most {MAX_ROLE} characters."]})
BAD_EVENT = invalid_fields({"event": ["This is not the name of an event."]})
NO_ENDPOINT = not_found("No webhook endpoint has this name.")
NO_MESSAGE = not_found("No webhook message has this id.")
BAD_WEBHOOK_STATUS = invalid_fields({"status": [f"Must be one of: {', '.join(DeliveryStatus)}."]})
NO_SINCE = invalid_fields({"since": [WRONG_TIME]})
STEP_UP = insufficient_user_authentication(600)
BAD_STATUS = invalid_fields({"status": [f"Must be one of: {', '.join(AccountStatus)}."]})
NEW_EMAIL_TAKEN = invalid_fields({"new_email": ["user with this email already exists."]})
TOO_MANY_WORDS = invalid_fields({"search": ["Ensure this field has no more than 20 words."]})
USED_TOKEN = invalid_fields({"non_field_errors": ["Token is blacklisted"]})
REFUSED_TOKEN = (
    bad_token("Token is invalid"),
    bad_token("No active account found for the given token."),
    inactive_user_of_token(),
)
DEVICE_COOKIE_EXAMPLE = (
    f"{DEVICE_COOKIE}=6b49d200.S8xNoL1tEPv2vPzVTyz93g; Secure; HttpOnly; Path=/auth/jwt/create/; SameSite=Strict"
)
