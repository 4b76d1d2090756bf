"""/auth/admin/invitations/ and users/{id}/invitation/: invite users with roles by mail."""

from uuid import UUID

from flask import Response
from flask.typing import ResponseReturnValue

from auth_service.api.admin.view import AdminView, account_of
from auth_service.api.authentication import current_caller
from auth_service.api.models.administration.users import AccountResponse, InvitationRequest
from auth_service.api.openapi.description import described
from auth_service.api.openapi.examples import BAD_ROLE, EMAIL_TAKEN, NO_USER, NOT_INVITABLE, STEP_UP
from auth_service.api.request_body import read_body
from auth_service.api.response_body import json_response
from auth_service.api.step_up import require_recent_authentication
from auth_service.services import services


class InvitationList(AdminView):
    """The invitation of a new user."""

    name = "Admin Invitation List"
    allow = "POST, OPTIONS"

    @described(
        body=InvitationRequest,
        returns={201: AccountResponse},
        errors=[EMAIL_TAKEN, BAD_ROLE, STEP_UP],
    )
    def post(self) -> Response:
        """Create a user without a password, who cannot log in yet, and send the invitation.

        400 if a field is invalid or the address is taken; 403 for a protected role, and with roles after too long a
        time since the password was entered.
        """
        body = read_body(InvitationRequest)
        if body.roles:
            require_recent_authentication()
        user = services().administration.invite(body.new_user(), body.roles, by=current_caller().user)
        return json_response(AccountResponse.of(account_of(user.id)), 201)


class UserInvitation(AdminView):
    """Another invitation of a user."""

    name = "Admin User Invitation"
    allow = "POST, OPTIONS"

    @described(returns={204: None}, errors=[NO_USER, NOT_INVITABLE])
    def post(self, user_id: UUID) -> ResponseReturnValue:
        """Send another invitation. 409 if the user is active or deactivated."""
        services().administration.invite_again(account_of(user_id).user, by=current_caller().user)
        return "", 204
