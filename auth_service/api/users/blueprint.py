"""The blueprint of /auth/users/ and its paths."""

from flask import Blueprint

from auth_service.api.users.activation import Activation, ResendActivation
from auth_service.api.users.email_addresses import ResetEmail, ResetEmailConfirm, SetEmail
from auth_service.api.users.passwords import InvitationConfirm, ResetPassword, ResetPasswordConfirm, SetPassword
from auth_service.api.users.users import Me, UserInstance, UserList, UserWithInvalidId
from auth_service.api.view import ApiView

user_endpoints = Blueprint("users", __name__, url_prefix="/users")

_VIEWS: dict[str, type[ApiView]] = {
    "/": UserList,
    "/me/": Me,
    "/activation/": Activation,
    "/resend_activation/": ResendActivation,
    "/set_password/": SetPassword,
    "/reset_password/": ResetPassword,
    "/reset_password_confirm/": ResetPasswordConfirm,
    "/invitation_confirm/": InvitationConfirm,
    "/set_email/": SetEmail,
    "/reset_email/": ResetEmail,
    "/reset_email_confirm/": ResetEmailConfirm,
    "/<uuid:user_id>/": UserInstance,
    "/<name>/": UserWithInvalidId,
}

for path, view in _VIEWS.items():
    user_endpoints.add_url_rule(path, view_func=view.as_view(view.__name__))
