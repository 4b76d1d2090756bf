"""/auth/admin/sessions/ and users/{id}/sessions/: list the sessions of all users, and end those of one."""

from typing import ClassVar
from uuid import UUID

from flask import Response, request
from flask.typing import ResponseReturnValue

from auth_service.api.admin.parameters import read_text
from auth_service.api.admin.slices import requested_limit, slice_url
from auth_service.api.admin.view import AdminView, account_of
from auth_service.api.authentication import current_caller
from auth_service.api.errors import not_found
from auth_service.api.models.administration.lists import OwnedSessionResponse, SliceResponse
from auth_service.api.models.sessions import SessionListResponse, SessionResponse
from auth_service.api.openapi.description import described
from auth_service.api.openapi.examples import NO_USER
from auth_service.api.openapi.query import SessionQuery
from auth_service.api.response_body import json_response
from auth_service.services import services
from auth_service.sessions.store import OwnedSession


class AllSessions(AdminView):
    """The sessions of all users."""

    name = "Admin Session List"
    allow = "GET, HEAD, OPTIONS"

    @described(query=SessionQuery, returns={200: SliceResponse[OwnedSessionResponse]})
    def get(self) -> Response:
        """Return live sessions, the newest log-in first. `?address=` selects some, and `?offset=` continues."""
        found, following = list_sessions()
        results = [OwnedSessionResponse.of(owned) for owned in found]
        return json_response(SliceResponse[OwnedSessionResponse](next=following, results=results))


def list_sessions() -> tuple[list[OwnedSession], str | None]:
    """Return the live sessions that the request asks for, and the URL of those that follow."""
    address, text, limit = read_text("address"), request.args.get("offset", "0"), requested_limit()
    offset = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
    now = services().clock()
    found = list(services().sessions.newest_live(now, address=address, offset=offset, limit=limit + 1))
    following = slice_url("offset", str(offset + limit), ("address",)) if len(found) > limit else None
    return found[:limit], following


class UserSessions(AdminView):
    """The sessions of a user."""

    name = "Admin User Sessions"
    allow = "GET, DELETE, HEAD, OPTIONS"
    step_up_methods: ClassVar[frozenset[str]] = frozenset({"DELETE"})

    @described(returns={200: SessionListResponse}, errors=[NO_USER])
    def get(self, user_id: UUID) -> Response:
        """Return the live sessions, the most recently used first."""
        sessions = services().sessions.live_sessions(account_of(user_id).user.id, services().clock())
        current = current_caller().sid
        return json_response(SessionListResponse([SessionResponse.of(found, current=current) for found in sessions]))

    @described(returns={204: None}, errors=[NO_USER])
    def delete(self, user_id: UUID) -> ResponseReturnValue:
        """End every session of the user."""
        services().administration.end_sessions(account_of(user_id).user, by=current_caller().user)
        return "", 204


class UserSession(AdminView):
    """A session of a user."""

    name = "Admin User Session"
    allow = "DELETE, OPTIONS"
    step_up_methods: ClassVar[frozenset[str]] = frozenset({"DELETE"})

    @described(returns={204: None}, errors=[NO_USER])
    def delete(self, user_id: UUID, sid: str) -> ResponseReturnValue:
        """End the session. 404 if it has ended or belongs to another user."""
        user, by = account_of(user_id).user, current_caller().user
        if not services().administration.end_session(user, sid.replace("\0", ""), by=by):
            raise not_found()
        return "", 204
