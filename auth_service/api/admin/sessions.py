"""/auth/admin/users/{id}/sessions/: list and end the sessions of a user."""

from uuid import UUID

from flask import Response
from flask.typing import ResponseReturnValue

from auth_service.api.admin.view import AdminView, account_of
from auth_service.api.authentication import current_caller
from auth_service.api.errors import not_found
from auth_service.api.models.sessions import SessionListResponse, SessionResponse
from auth_service.api.response_body import json_response
from auth_service.services import services


class UserSessions(AdminView):
    """The sessions of a user."""

    name = "Admin User Sessions"
    allow = "GET, DELETE, HEAD, OPTIONS"

    def get(self, user_id: UUID) -> Response:
        """Return the live sessions, the most recently used first."""
        sessions = services().sessions.live_sessions(account_of(user_id).user.id, services().clock())
        current = current_caller().sid
        return json_response(SessionListResponse([SessionResponse.of(found, current=current) for found in sessions]))

    def delete(self, user_id: UUID) -> ResponseReturnValue:
        """End every session of the user."""
        services().administration.end_sessions(account_of(user_id).user)
        return "", 204


class UserSession(AdminView):
    """A session of a user."""

    name = "Admin User Session"
    allow = "DELETE, OPTIONS"

    def delete(self, user_id: UUID, sid: str) -> ResponseReturnValue:
        """End the session. 404 if it has ended or belongs to another user."""
        if not services().administration.end_session(account_of(user_id).user, sid.replace("\0", "")):
            raise not_found()
        return "", 204
