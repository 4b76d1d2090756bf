"""The OpenAPI document of the auth service."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import current_app
from pydantic import BaseModel

from auth_service.api.models.email_addresses import (
    ResetEmailConfirmRequest,
    RetypedResetEmailConfirmRequest,
    RetypedSetEmailRequest,
    SetEmailRequest,
)
from auth_service.api.models.passwords import (
    ResetPasswordConfirmRequest,
    RetypedResetPasswordConfirmRequest,
    RetypedSetPasswordRequest,
    SetPasswordRequest,
)
from auth_service.api.models.users import RegisterRequest, RetypedRegisterRequest
from auth_service.api.openapi.shared_errors import shared_errors
from auth_service.api.view import ApiView
from auth_service.services import services
from chassis.openapi.description import ViewDescription
from chassis.openapi.document import Operation, ServiceDescription, Tag, write_document

_TAGS = (
    Tag("Tokens", "Log in, refresh, verify and log out with tokens.", ("/auth/jwt/",)),
    Tag("Accounts", "Register, and read, change or delete accounts.", ("/auth/users/",)),
    Tag("Sessions", "List and end the sessions of the caller.", ("/auth/sessions/", "/auth/logout/")),
    Tag("Audit", "The audit trail of the caller's account.", ("/auth/audit/",)),
    Tag("Administration", "For users with the role `staff`.", ("/auth/admin/",)),
    Tag("Keys", "The public keys that verify access tokens.", ("/auth/.well-known/",)),
)
_RETYPED: Mapping[type[BaseModel], tuple[str, type[BaseModel]]] = {
    RegisterRequest: ("user_create_password_retype", RetypedRegisterRequest),
    SetPasswordRequest: ("set_password_retype", RetypedSetPasswordRequest),
    ResetPasswordConfirmRequest: ("password_reset_confirm_retype", RetypedResetPasswordConfirmRequest),
    SetEmailRequest: ("set_email_retype", RetypedSetEmailRequest),
    ResetEmailConfirmRequest: ("email_reset_confirm_retype", RetypedResetEmailConfirmRequest),
}
"""The settings that make a request repeat a value, and the model of its body then."""


def auth_document() -> dict[str, Any]:
    """Return the document of the current application, with the bodies that its settings require."""
    return write_document(
        current_app,
        ServiceDescription(
            title="Auth service",
            version="1",
            text="Accounts, sessions and tokens. Paths work with and without the closing slash.",
            tags=_TAGS,
            complete=_complete,
        ),
    )


def _complete(operation: Operation) -> ViewDescription:
    view_class, description = operation.view_class, operation.description
    is_anonymous = view_class is None or (
        issubclass(view_class, ApiView) and operation.method.upper() in view_class.anonymous_methods
    )
    responses = (*description.responses, *shared_errors(operation, needs_caller=not is_anonymous))
    return replace(description, body=_body(description.body), responses=responses, needs_caller=not is_anonymous)


def _body(model: type[BaseModel] | None) -> type[BaseModel] | None:
    if model is None or model not in _RETYPED:
        return model
    setting, retyped = _RETYPED[model]
    return retyped if getattr(services().settings, setting) else model
