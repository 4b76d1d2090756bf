"""Owns the publishing side of the revocation feed: what has ended, told to the gateways.

Policy: a revocation is first recorded in SQL, then published. What could not be published is owed, and is published
again from SQL once Redis answers; so is the last access lifetime's, whenever the feed's epoch is gone or a process
starts. A record may thus come twice, which changes nothing for its readers.
"""

import threading
from collections.abc import Sequence

import structlog
from redis import Redis

from auth_service.redis_link import RedisLink, RedisSilent
from auth_service.session_store import EndedSession, SessionStore
from chassis.clock import Clock
from contract.claims import LEEWAY
from contract.revocation import EPOCH, SESSION, STREAM, Revocation

_log = structlog.get_logger("revocations")

INTERVAL = 0.5
"""Seconds between two looks at whether the feed is whole."""

_TRIM_MARGIN = 60
"""Seconds that a record is kept beyond its need: readers may be late."""


class RevocationFeed:
    """Publishes ended sessions. Safe for threads."""

    def __init__(self, link: RedisLink, sessions: SessionStore, *, access_lifetime: int, clock: Clock) -> None:
        self._link = link
        self._sessions = sessions
        self._relevant_for = access_lifetime + LEEWAY
        self._clock = clock
        self._owes = threading.Event()
        self._owes.set()  # whoever starts cannot know what the one before it left unsaid

    def publish(self, ended: Sequence[EndedSession]) -> None:
        """Tells the gateways of sessions that have ended; owed where Redis is silent."""
        try:
            for session in ended:
                self._append(session)
        except RedisSilent:
            self._owes.set()
            _log.warning("revocations are owed", sessions=len(ended))

    def catch_up(self) -> bool:
        """Publishes the last access lifetime's again where the feed may lack them; whether it did.

        SQLAlchemy's errors pass through, and then everything is still owed.
        """
        if not self._is_incomplete():
            return False
        self._owes.clear()  # before publishing, so that what fails meanwhile is owed again
        try:
            ended = self._sessions.ended_since(self._clock() - self._relevant_for)
            for session in ended:
                self._append(session)
            self._link.ask(lambda redis: redis.set(EPOCH, str(int(self._clock()))))
        except RedisSilent:
            self._owes.set()
            return False
        except Exception:
            self._owes.set()
            raise
        _log.info("revocations published again", sessions=len(ended))
        return True

    def _is_incomplete(self) -> bool:
        try:
            return not self._link.ask(lambda redis: redis.exists(EPOCH)) or self._owes.is_set()
        except RedisSilent:
            # Others, such as a command line, may have failed to publish as well.
            self._owes.set()
            return False

    def _append(self, session: EndedSession) -> None:
        record = Revocation(SESSION, session.sid, int(session.ended_at))

        def append(redis: Redis) -> None:
            entry = redis.xadd(STREAM, dict(record.to_fields().items()))
            # Counted from the id that Redis gave: a clock of ours that is wrong must not empty the feed.
            oldest = int(str(entry).split("-")[0]) - (self._relevant_for + _TRIM_MARGIN) * 1000
            redis.xtrim(STREAM, minid=str(oldest), approximate=True)

        self._link.ask(append)
