"""The errors that many views share: of authentication, of a body, and of the database."""

from collections.abc import Iterator

from pydantic import BaseModel

from auth_service.api.admin.view import AdminView
from auth_service.api.errors import (
    ApiError,
    bad_access_token,
    bad_authorization_header,
    error_with_detail,
    forbidden,
    insufficient_user_authentication,
    invalid_fields,
    malformed_body,
    no_credentials,
    not_found,
    protected_role,
    refused_user,
    store_unavailable,
    unsupported_media_type,
)
from auth_service.api.models.field_errors import TEXTS
from auth_service.api.openapi.description import error_response
from chassis.openapi.description import ResponseDescription
from chassis.openapi.document import Operation
from chassis.openapi.problem_details import problem

_OF_AUTHENTICATION = (
    no_credentials(),
    bad_authorization_header(),
    bad_access_token("Token is expired"),
    refused_user("User not found", "user_not_found"),
    refused_user("User is inactive", "user_inactive"),
)
_OF_BODY = (
    malformed_body("JSON parse error - it ends in the middle of a value"),
    error_with_detail(413, "Request Entity Too Large"),
    unsupported_media_type("text/plain"),
)


def shared_errors(operation: Operation, *, needs_caller: bool) -> list[ResponseDescription]:
    """Return the errors of `operation` that its view does not raise itself."""
    return [*map(error_response, _errors(operation, needs_caller=needs_caller)), problem("internal_error")]


def _errors(operation: Operation, *, needs_caller: bool) -> Iterator[ApiError]:
    if needs_caller:
        yield from _OF_AUTHENTICATION
    if operation.view_class is not None and issubclass(operation.view_class, AdminView):
        yield forbidden()
        if operation.method != "get":
            yield protected_role("admin")
        if operation.method.upper() in operation.view_class.step_up_methods:
            yield insufficient_user_authentication(600)
    if operation.description.body is not None:
        yield from _OF_BODY
        yield _invalid_field(operation.description.body)
    if operation.rule.arguments:
        yield not_found()
    yield store_unavailable()


def _invalid_field(model: type[BaseModel]) -> ApiError:
    """Return the error of a body without its first required field, or whose first field is no text."""
    required = [name for name, found in model.model_fields.items() if found.is_required()]
    if required:
        return invalid_fields({required[0]: [TEXTS["missing"]]})
    return invalid_fields({next(iter(model.model_fields)): [TEXTS["string_type"]]})
