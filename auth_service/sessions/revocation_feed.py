"""The publishing side of the revocation feed, by which the gateways learn which sessions have ended.

Policy: a revocation is committed to SQL first and then published. One that could not be published is pending and is
published again from SQL once Redis answers. So is everything that may still have to stop a token, whenever the feed's
epoch is missing, a process starts, or a gateway queries whether the feed is complete. A record may thus be published
twice; a reader ignores the second. A record stays in the stream until no token that it stops is valid any more.
"""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from redis import Redis

from auth_service.events.account_events import SessionEnded
from auth_service.redis_client import RedisClient, RedisUnavailable
from auth_service.sessions.store import EndedSession, SessionStore
from chassis.clock import Clock
from contract.claims import LEEWAY
from contract.revocation import (
    COMPLETENESS_QUERIES,
    EPOCH,
    SESSION,
    STREAM,
    Revocation,
    completeness_reply,
    read_revocation,
)

_log = structlog.get_logger("revocations")

INTERVAL = 0.5
"""Seconds between two checks of whether the feed is complete."""

_TRIM_MARGIN = 60
"""Seconds that a record is kept beyond its need, for readers that lag."""
_TRIM_BATCH = 100
_MAX_TRIM_BATCHES = 100
_MAX_QUERIES = 1_000


class RevocationFeed:
    """Publishes ended sessions. Safe for threads."""

    def __init__(self, redis: RedisClient, sessions: SessionStore, *, clock: Clock) -> None:
        self._redis = redis
        self._sessions = sessions
        self._clock = clock
        self._is_pending = threading.Event()
        self._is_pending.set()  # the process before this one may have ended before it published

    def publish(self, ended: Sequence[SessionEnded]) -> None:
        """Publish sessions that have ended. While Redis does not answer, they are published again later."""
        try:
            self._append([EndedSession(event.sid, event.at, event.access_expires_at) for event in ended])
        except RedisUnavailable:
            self._is_pending.set()
            _log.warning("revocations_pending", sessions=len(ended))
        except Exception:
            self._is_pending.set()
            raise

    def republish(self) -> bool:
        """Publish from SQL what the feed may lack and answer the queries of gateways; return whether it did.

        Raises StoreUnavailable; then everything is still pending.
        """
        try:
            # A background thread keeps no request waiting, so it tries Redis even while the circuit is open.
            has_epoch = self._redis.ask(lambda redis: redis.exists(EPOCH), ignore_circuit=True)
            queries = self._redis.ask(_take_queries, ignore_circuit=True)
        except RedisUnavailable:
            # Another process, such as a command, may have failed to publish as well.
            self._is_pending.set()
            return False
        if has_epoch and not queries and not self._is_pending.is_set():
            return False
        self._is_pending.clear()  # before publishing, so that a failure meanwhile is pending again
        try:
            self._publish_all(queries)
        except RedisUnavailable:
            self._is_pending.set()
            return False
        except Exception:
            self._is_pending.set()
            raise
        return True

    def _publish_all(self, queries: Sequence[str]) -> None:
        now = self._clock()
        # Read after the queries were taken: what was committed before a query was sent is included.
        ended = self._sessions.ended_sessions(now - LEEWAY)
        self._append(ended)
        self._redis.ask(lambda redis: redis.set(EPOCH, str(int(now))))
        for query in queries:
            self._add(completeness_reply(query, int(now)))
        _log.info("revocations_republished", sessions=len(ended), asked_by=len(queries))

    def _append(self, ended: Sequence[EndedSession]) -> None:
        newest = ""
        for session in ended:
            # Rounded up: `exp` is compared with fractions of a second.
            until = int(session.access_expires_at) + 1
            newest = self._add(Revocation(SESSION, session.sid, int(session.ended_at), until).to_fields())
        if newest:
            self._redis.ask(lambda redis: _trim(redis, newest))

    def _add(self, fields: dict[str, str]) -> str:
        return str(self._redis.ask(lambda redis: redis.xadd(STREAM, dict(fields.items()))))


def _take_queries(redis: Redis) -> list[str]:
    """Remove the gateways' queries from Redis and return them. A gateway without an answer repeats its query."""
    taken: Any = redis.spop(COMPLETENESS_QUERIES, _MAX_QUERIES)
    return sorted(str(query) for query in taken or ())


def _trim(redis: Redis, newest: str) -> None:
    """Delete the oldest records up to the first one that was still needed when `newest` was added.

    Compared are the ids that Redis assigned: a wrong clock of this process must not empty the feed.
    """
    now = _seconds_of(newest)
    for _ in range(_MAX_TRIM_BATCHES):
        oldest: Any = redis.xrange(STREAM, count=_TRIM_BATCH)
        needed = next((entry for entry, fields in oldest if _is_needed(entry, fields, now)), None)
        if needed is not None:
            if needed != oldest[0][0]:
                redis.xtrim(STREAM, minid=needed, approximate=False)
            return
        redis.xdel(STREAM, *(entry for entry, _ in oldest))


def _is_needed(entry: str, fields: Mapping[str, str], now: float) -> bool:
    try:
        record = read_revocation(fields)
        needed_seconds = max(0, record.until - record.at)
    except ValueError:  # an answer to a gateway, or an entry of another program
        needed_seconds = 0
    return now <= _seconds_of(entry) + needed_seconds + _TRIM_MARGIN


def _seconds_of(entry: str) -> float:
    return int(entry.split("-")[0]) / 1000
