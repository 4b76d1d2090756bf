"""Owns the publishing side of the revocation feed: what has ended, told to the gateways.

Policy: a revocation is first recorded in SQL, then published. What could not be published is owed, and is published
again from SQL once Redis answers. So is everything that may still have to stop a token, whenever the feed's epoch is
gone, a process starts, or a gateway asks whether the feed is whole. A record may thus come twice, which changes
nothing for its readers. A record stays in the stream until no token that it stops is good any more.
"""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from redis import Redis

from auth_service.sessions.store import EndedSession, SessionStore
from auth_service.storage.redis import RedisClient, RedisUnavailable
from chassis.clock import Clock
from contract.claims import LEEWAY
from contract.revocation import EPOCH, QUERIES, SESSION, STREAM, Revocation, complete_fields, read_revocation

_log = structlog.get_logger("revocations")

INTERVAL = 0.5
"""Seconds between two looks at whether the feed is whole."""

_TRIM_MARGIN = 60
"""Seconds that a record is kept beyond its need: readers may be late."""
_TRIMMED_AT_ONCE = 100
_MOST_TRIMS = 100
_MOST_QUESTIONS = 1_000


class RevocationFeed:
    """Publishes ended sessions. Safe for threads."""

    def __init__(self, link: RedisClient, sessions: SessionStore, *, clock: Clock) -> None:
        self._link = link
        self._sessions = sessions
        self._clock = clock
        self._owes = threading.Event()
        self._owes.set()  # whoever starts cannot know what the one before it left unsaid

    def publish(self, ended: Sequence[EndedSession]) -> None:
        """Tells the gateways of sessions that have ended; owed where Redis is silent."""
        try:
            self._append(ended)
        except RedisUnavailable:
            self._owes.set()
            _log.warning("revocations_pending", sessions=len(ended))

    def catch_up(self) -> bool:
        """Publishes from SQL what the feed may lack, and answers the gateways that asked; whether it did.

        SQLAlchemy's errors pass through, and then everything is still owed.
        """
        try:
            # In the background nobody waits: Redis is tried however silent it was, and found as soon as it is back.
            has_epoch = self._link.ask(lambda redis: redis.exists(EPOCH), insist=True)
            questions = self._link.ask(_take_questions, insist=True)
        except RedisUnavailable:
            # Others, such as a command line, may have failed to publish as well.
            self._owes.set()
            return False
        if has_epoch and not questions and not self._owes.is_set():
            return False
        self._owes.clear()  # before publishing, so that what fails meanwhile is owed again
        try:
            self._publish_all(questions)
        except RedisUnavailable:
            self._owes.set()
            return False
        except Exception:
            self._owes.set()
            raise
        return True

    def _publish_all(self, questions: Sequence[str]) -> None:
        now = self._clock()
        # Read after the questions were taken: what was committed before they were asked is in it.
        ended = self._sessions.ended_early(now - LEEWAY)
        self._append(ended)
        self._link.ask(lambda redis: redis.set(EPOCH, str(int(now))))
        for question in questions:
            self._add(complete_fields(question, int(now)))
        _log.info("revocations_republished", sessions=len(ended), asked_by=len(questions))

    def _append(self, ended: Sequence[EndedSession]) -> None:
        newest = ""
        for session in ended:
            # Rounded up, as `exp` is compared with a clock's fractions.
            until = int(session.access_expires_at) + 1
            newest = self._add(Revocation(SESSION, session.sid, int(session.ended_at), until).to_fields())
        if newest:
            self._link.ask(lambda redis: _trim(redis, newest))

    def _add(self, fields: dict[str, str]) -> str:
        return str(self._link.ask(lambda redis: redis.xadd(STREAM, dict(fields.items()))))


def _take_questions(redis: Redis) -> list[str]:
    """Takes what gateways ask out of Redis, so that one process answers; a gateway that gets no answer asks again."""
    taken: Any = redis.spop(QUERIES, _MOST_QUESTIONS)
    return sorted(str(question) for question in taken or ())


def _trim(redis: Redis, newest: str) -> None:
    """Deletes the oldest records, up to the first one that is still needed, when the `newest` was added.

    Counted by the ids that Redis gave: a clock of ours that is wrong must not empty the feed.
    """
    now = _seconds_of(newest)
    for _ in range(_MOST_TRIMS):
        oldest: Any = redis.xrange(STREAM, count=_TRIMMED_AT_ONCE)
        needed = next((entry for entry, fields in oldest if _is_needed(entry, fields, now)), None)
        if needed is not None:
            if needed != oldest[0][0]:
                redis.xtrim(STREAM, minid=needed, approximate=False)
            return
        redis.xdel(STREAM, *(entry for entry, _ in oldest))


def _is_needed(entry: str, fields: Mapping[str, str], now: float) -> bool:
    try:
        record = read_revocation(fields)
        needed_for = max(0, record.until - record.at)
    except ValueError:  # an answer to a gateway, or nothing of ours
        needed_for = 0
    return now <= _seconds_of(entry) + needed_for + _TRIM_MARGIN


def _seconds_of(entry: str) -> float:
    return int(entry.split("-")[0]) / 1000
