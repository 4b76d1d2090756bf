"""Owns what follows when sessions end: the blacklist learns of it, and the gateways are told."""

from collections.abc import Sequence

from auth_service.audit.trail import Reason
from auth_service.sessions.blacklist import Blacklist
from auth_service.sessions.revocation_feed import RevocationFeed
from auth_service.sessions.store import EndedSession

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
