"""Owns /auth/sessions/ and /auth/logout/: the caller's sessions, to look at and to end."""

import re
from uuid import UUID

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue

from auth_service.api.authentication import current_caller
from auth_service.api.endpoint import Endpoint
from auth_service.api.errors import not_found
from auth_service.api.timestamps import rfc3339
from auth_service.audit.trail import Reason
from auth_service.services import services
from auth_service.storage.models import SessionRow
from chassis.json_body import JSON

_SID = re.compile("[0-9a-f]{32}")

session_endpoints = Blueprint("sessions", __name__)


class Sessions(Endpoint):
    """The caller's sessions."""

    name = "Session List"
    allow = "GET, HEAD, OPTIONS"

    def get(self) -> Response:
        """200 those that are live, the one used last first."""
        caller = current_caller()
        rows = services().sessions.live_sessions(caller.user.id, services().clock())
        return jsonify([_render(row, current=caller.sid) for row in rows])


class OneSession(Endpoint):
    """One of the caller's sessions."""

    name = "Session Instance"
    allow = "DELETE, OPTIONS"

    def delete(self, sid: str) -> ResponseReturnValue:
        """204, and the session has ended; 404 for one that has ended before, or is somebody else's."""
        caller = current_caller()
        reason = Reason.LOGOUT if sid == caller.sid else Reason.REVOKED_BY_OWNER
        if not _SID.fullmatch(sid) or not _end(sid, caller.user.id, reason):
            raise not_found()
        return "", 204


class LogOut(Endpoint):
    """The end of the session that the access token belongs to."""

    name = "Log Out"
    allow = "POST, OPTIONS"

    def post(self) -> ResponseReturnValue:
        """204."""
        caller = current_caller()
        _end(caller.sid, caller.user.id, Reason.LOGOUT)
        return "", 204


class LogOutOthers(Endpoint):
    """The end of every session of the caller but this one."""

    name = "Log Out Others"
    allow = "POST, OPTIONS"

    def post(self) -> ResponseReturnValue:
        """204."""
        caller = current_caller()
        _end_every(caller.user.id, keep=caller.sid)
        return "", 204


class LogOutAll(Endpoint):
    """The end of every session of the caller, this one too."""

    name = "Log Out All"
    allow = "POST, OPTIONS"

    def post(self) -> ResponseReturnValue:
        """204."""
        _end_every(current_caller().user.id, keep=None)
        return "", 204


def _end(sid: str, owner: UUID, reason: Reason) -> bool:
    ended = services().sessions.end(sid, services().clock(), owner=owner, reason=reason)
    if ended is None:
        return False
    services().endings.announce([ended], reason)
    return True


def _end_every(user_id: UUID, *, keep: str | None) -> None:
    reason = Reason.REVOKED_BY_OWNER
    ended = services().sessions.log_out(user_id, services().clock(), keep=keep, reason=reason)
    services().endings.announce(ended, reason)


def _render(row: SessionRow, *, current: str) -> JSON:
    return {
        "id": row.id,
        "device": row.device,
        "address": row.address,
        "created_at": rfc3339(row.created_at),
        "last_used_at": rfc3339(row.last_used_at),
        "expires_at": rfc3339(row.expires_at),
        "current": row.id == current,
    }


session_endpoints.add_url_rule("/sessions/", view_func=Sessions.as_view("sessions"))
session_endpoints.add_url_rule("/sessions/logout-others/", view_func=LogOutOthers.as_view("logout_others"))
session_endpoints.add_url_rule("/sessions/logout-all/", view_func=LogOutAll.as_view("logout_all"))
session_endpoints.add_url_rule("/sessions/<string(length=32):sid>/", view_func=OneSession.as_view("session"))
session_endpoints.add_url_rule("/logout/", view_func=LogOut.as_view("logout"))
