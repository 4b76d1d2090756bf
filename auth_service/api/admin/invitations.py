"""/auth/admin/invitations/ and users/{id}/invitation/: invite users with roles by mail."""

from uuid import UUID

from flask import Response
from flask.typing import ResponseReturnValue

from auth_service.api.admin.view import AdminView, account_of
from auth_service.api.models.admin import AccountResponse, InvitationRequest
from auth_service.api.request_body import read_body
from auth_service.api.response_body import json_response
from auth_service.services import services


class InvitationList(AdminView):
    """The invitation of a new user."""

    name = "Admin Invitation List"
    allow = "POST, OPTIONS"

    def post(self) -> Response:
        """Create a user without a password, who cannot log in yet, and send the invitation.

        400 if a field is invalid or the address is taken.
        """
        body = read_body(InvitationRequest)
        user = services().administration.invite(
            body.email,
            body.roles,
            first_name=body.first_name,
            last_name=body.last_name,
            language=body.language,
        )
        return json_response(AccountResponse.of(account_of(user.id)), 201)


class UserInvitation(AdminView):
    """Another invitation of a user."""

    name = "Admin User Invitation"
    allow = "POST, OPTIONS"

    def post(self, user_id: UUID) -> ResponseReturnValue:
        """Send another invitation. 409 if the user is active or deactivated."""
        services().administration.invite_again(account_of(user_id).user)
        return "", 204
