"""Verify the caller's password, which a request must have to change or delete an account."""

from typing import TypeVar

from auth_service.api.authentication import current_caller
from auth_service.api.client_of_request import client_of_request
from auth_service.api.errors import ApiError, invalid_fields
from auth_service.api.models.errors import FieldErrorsResponse
from auth_service.api.models.passwords import CurrentPasswordRequest
from auth_service.api.request_body import read_body
from auth_service.services import services

Body = TypeVar("Body", bound=CurrentPasswordRequest)


def read_with_current_password(model: type[Body]) -> Body:
    """Return the request's body, after its `current_password` was verified.

    Raises ApiError(400) with every invalid field; a wrong password is one of them, as in djoser. Raises Throttled
    after too many wrong passwords.
    """
    try:
        body = read_body(model)
    except ApiError as error:
        if not isinstance(error.body, FieldErrorsResponse) or "current_password" in error.body.root:
            raise
        password = read_body(CurrentPasswordRequest).current_password
        if _is_wrong(password):
            raise invalid_fields({**error.body.root, **_WRONG}) from error
        raise
    if _is_wrong(body.current_password):
        raise wrong_current_password()
    return body


def wrong_current_password() -> ApiError:
    """Return the 400 for a wrong current password."""
    return invalid_fields(_WRONG)


_WRONG = {"current_password": ["Invalid password."]}


def _is_wrong(password: str) -> bool:
    caller = current_caller()
    return not services().grants.verify_password(caller.user, password, client_of_request(), session=caller.sid)
