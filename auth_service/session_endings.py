"""Owns what follows when sessions end: the blacklist learns of it, the gateways are told, the log says why."""

from collections.abc import Sequence
from enum import StrEnum

import structlog

from auth_service.blacklist import Blacklist
from auth_service.revocation_feed import RevocationFeed
from auth_service.session_store import EndedSession

_log = structlog.get_logger("sessions")


class Reason(StrEnum):
    """Why a session ended."""

    LOGOUT = "logout"
    REPLAY = "replay"
    PASSWORD_CHANGED = "password changed"  # noqa: S105 - a reason, no password
    ROLES_CHANGED = "roles changed"
    USER_DEACTIVATED = "user deactivated"
    USER_DELETED = "user deleted"


# A refresh is then answered that there is no such account, which SQL knows and the blacklist does not.
_OF_THE_ACCOUNT = {Reason.USER_DEACTIVATED, Reason.USER_DELETED}


class SessionEndings:
    """Announces sessions whose end is committed. Never raises: what Redis does not take is owed."""

    def __init__(self, blacklist: Blacklist, feed: RevocationFeed) -> None:
        self._blacklist = blacklist
        self._feed = feed

    def announce(self, ended: Sequence[EndedSession], reason: Reason) -> None:
        """Tells everybody concerned."""
        self._feed.publish(ended)
        for session in ended:
            if reason not in _OF_THE_ACCOUNT:
                self._blacklist.note_ended(session.sid, seconds=session.expires_at - session.ended_at)
            _log.info("session ended", reason=reason.value, sid=session.sid, subject=str(session.user_id))
