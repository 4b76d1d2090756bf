"""/auth/sessions/ and /auth/logout/: list and end the caller's sessions."""

import re
from uuid import UUID

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue

from auth_service.api.authentication import current_caller
from auth_service.api.errors import not_found
from auth_service.api.models.sessions import SessionListResponse, SessionResponse
from auth_service.api.openapi.description import described
from auth_service.api.reauthentication import Reauthentication
from auth_service.api.response_body import json_response
from auth_service.api.view import ApiView
from auth_service.events.account_events import EndReason
from auth_service.services import services

_SID = re.compile("[0-9a-f]{32}")

session_endpoints = Blueprint("sessions", __name__)


class SessionList(ApiView):
    """The caller's sessions."""

    name = "Session List"
    allow = "GET, HEAD, OPTIONS"

    @described(returns={200: SessionListResponse})
    def get(self) -> Response:
        """Return the live sessions, the most recently used first."""
        caller = current_caller()
        sessions = services().sessions.live_sessions(caller.user.id, services().clock())
        return json_response(
            SessionListResponse([SessionResponse.of(found, current=caller.sid) for found in sessions])
        )


class SessionInstance(ApiView):
    """One of the caller's sessions."""

    name = "Session Instance"
    allow = "DELETE, OPTIONS"

    @described(returns={204: None})
    def delete(self, sid: str) -> ResponseReturnValue:
        """End the session. 404 if it has ended or belongs to another user."""
        caller = current_caller()
        reason = EndReason.LOGOUT if sid == caller.sid else EndReason.REVOKED_BY_OWNER
        if not _SID.fullmatch(sid) or not _end(sid, caller.user.id, reason):
            raise not_found()
        return "", 204


class LogOut(ApiView):
    """The log-out with an access token."""

    name = "Log Out"
    allow = "POST, OPTIONS"

    @described(returns={204: None})
    def post(self) -> ResponseReturnValue:
        """End the session of the access token."""
        caller = current_caller()
        _end(caller.sid, caller.user.id, EndReason.LOGOUT)
        return "", 204


class LogOutOthers(ApiView):
    """The log-out of all other sessions."""

    name = "Log Out Others"
    allow = "POST, OPTIONS"

    @described(returns={204: None})
    def post(self) -> ResponseReturnValue:
        """End every session of the caller except that of the access token."""
        caller = current_caller()
        _end_all(caller.user.id, keep=caller.sid)
        return "", 204


class LogOutAll(ApiView):
    """The log-out of all sessions."""

    name = "Log Out All"
    allow = "POST, OPTIONS"

    @described(returns={204: None})
    def post(self) -> ResponseReturnValue:
        """End every session of the caller."""
        _end_all(current_caller().user.id, keep=None)
        return "", 204


def _end(sid: str, owner: UUID, reason: EndReason) -> bool:
    return services().sessions.end(sid, services().clock(), reason, owner=owner)


def _end_all(user_id: UUID, *, keep: str | None) -> None:
    services().sessions.end_all(user_id, services().clock(), EndReason.REVOKED_BY_OWNER, keep=keep)


session_endpoints.add_url_rule("/sessions/", view_func=SessionList.as_view("sessions"))
session_endpoints.add_url_rule("/sessions/logout-others/", view_func=LogOutOthers.as_view("logout_others"))
session_endpoints.add_url_rule("/sessions/logout-all/", view_func=LogOutAll.as_view("logout_all"))
session_endpoints.add_url_rule("/sessions/reauthenticate/", view_func=Reauthentication.as_view("reauthenticate"))
session_endpoints.add_url_rule("/sessions/<string(length=32):sid>/", view_func=SessionInstance.as_view("session"))
session_endpoints.add_url_rule("/logout/", view_func=LogOut.as_view("logout"))
