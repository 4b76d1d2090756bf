"""Publish the sessions that have ended to the revocation feed, which the gateways read.

A revocation is first committed to SQL and then published. All revocations of unexpired access tokens are published
again from SQL if Redis did not reply, if the feed's epoch is missing or names another server (after a failover:
replication is asynchronous), when a process starts, and when a gateway sends a completeness query. So a record may be
published twice; readers ignore the second one. A record stays in the stream at least until the access tokens that it
revokes have expired.
"""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import NoPermissionError

from auth_service.events.account_events import SessionEnded
from auth_service.redis_client import RedisClient, RedisUnavailable
from auth_service.sessions.store import SessionRevocation, SessionStore
from chassis.clock import Clock
from chassis.redis_clients import server_of
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
"""Seconds between two runs of `republish`."""

_TRIM_MARGIN = 60
"""Seconds for which a record is kept after its access tokens have expired, for readers that are behind."""
_TRIM_BATCH = 100
"""Records that one command reads or deletes."""
_MAX_TRIM_BATCHES = 100
"""Batches in one trim, so that a publication takes a bounded time. The next one continues."""
_MAX_QUERIES = 1_000
"""Completeness queries that one run answers."""


class RevocationFeed:
    """Publishes ended sessions. Thread-safe."""

    def __init__(self, redis: RedisClient, sessions: SessionStore, *, clock: Clock) -> None:
        self._redis = redis
        self._sessions = sessions
        self._clock = clock
        self._is_pending = threading.Event()
        self._is_pending.set()  # a former process may have stopped before it published

    @property
    def is_pending(self) -> bool:
        """Return whether the feed may lack a revocation, so that `republish` has to publish."""
        return self._is_pending.is_set()

    def publish(self, ended: Sequence[SessionEnded]) -> None:
        """Publish sessions that have ended. If Redis does not reply, `republish` publishes them later."""
        try:
            self._add_revocations(
                [SessionRevocation(event.sid, event.at, event.access_expires_at) for event in ended]
            )
        except RedisUnavailable:
            self._is_pending.set()
            _log.warning("revocations_pending", sessions=len(ended))
        except Exception:
            self._is_pending.set()
            raise

    def republish(self) -> bool:
        """Publish all revocations again from SQL if the feed may lack one, and answer completeness queries.

        Return whether it published. Raises StoreUnavailable; then the next run tries again.
        """
        try:
            # No request waits for a background thread, so it may try Redis even while the circuit is open.
            epoch = self._redis.call(lambda redis: redis.get(EPOCH), ignore_circuit=True)
            run_id = self._redis.call(_run_id, ignore_circuit=True)
            queries = self._redis.call(_take_queries, ignore_circuit=True)
        except RedisUnavailable:
            # Another process, such as a command, may have failed to publish too; this one publishes for it later.
            self._is_pending.set()
            return False
        if epoch == run_id and not queries and not self._is_pending.is_set():
            return False
        self._is_pending.clear()  # before publishing, so that a failure of `publish` meanwhile sets it again
        try:
            self._publish_all(queries, run_id)
        except RedisUnavailable:
            self._is_pending.set()
            return False
        except Exception:
            self._is_pending.set()
            raise
        return True

    def _publish_all(self, queries: Sequence[str], run_id: str) -> None:
        now = self._clock()
        # Read after the queries were taken, so it has every revocation that was committed before a query was sent.
        revocations = self._sessions.unexpired_revocations(now - LEEWAY)
        self._add_revocations(revocations)
        self._redis.call(lambda redis: redis.set(EPOCH, run_id))
        for query in queries:
            self._add_entry(completeness_reply(query, int(now)))
        _log.info("revocations_republished", sessions=len(revocations), queries=len(queries))

    def _add_revocations(self, revocations: Sequence[SessionRevocation]) -> None:
        newest_id = ""
        for revoked in revocations:
            # Rounded up, because gateways compare it with a time that has fractions of a second.
            until = int(revoked.access_expires_at) + 1
            newest_id = self._add_entry(Revocation(SESSION, revoked.sid, int(revoked.ended_at), until).to_fields())
        if newest_id:
            self._redis.call(lambda redis: _trim(redis, newest_id))

    def _add_entry(self, fields: dict[str, str]) -> str:
        """Add an entry to the stream and return its id."""
        return str(self._redis.call(lambda redis: redis.xadd(STREAM, dict(fields.items()))))


def _run_id(redis: Redis) -> str:
    """Return the run id of the server that has the stream, which changes with a restart and a failover.

    It is "unknown" if the server does not allow INFO, as some ACLs do: then only a missing epoch and lost connections
    cause a publication.
    """
    try:
        info: Any = server_of(redis, STREAM).info("server")
    except NoPermissionError:
        return "unknown"
    return str(info.get("run_id", "unknown"))


def _take_queries(redis: Redis) -> list[str]:
    """Remove the completeness queries from Redis and return them. A gateway that gets no reply repeats its query."""
    taken: Any = redis.spop(COMPLETENESS_QUERIES, _MAX_QUERIES)
    return sorted(str(query) for query in taken or ())


def _trim(redis: Redis, newest_id: str) -> None:
    """Delete the oldest records up to the first one that is still needed.

    The current time is read from `newest_id`, which Redis assigned: a wrong clock of this process must not empty the
    feed.
    """
    now = _seconds_of(newest_id)
    for _ in range(_MAX_TRIM_BATCHES):
        oldest: Any = redis.xrange(STREAM, count=_TRIM_BATCH)
        needed_id = next((entry_id for entry_id, fields in oldest if _is_needed(entry_id, fields, now)), None)
        if needed_id is not None:
            if needed_id != oldest[0][0]:
                redis.xtrim(STREAM, minid=needed_id, approximate=False)
            return
        redis.xdel(STREAM, *(entry_id for entry_id, _ in oldest))


def _is_needed(entry_id: str, fields: Mapping[str, str], now: float) -> bool:
    try:
        record = read_revocation(fields)
        needed_seconds = max(0, record.until - record.at)
    except ValueError:  # a completeness reply, or an entry of another program
        needed_seconds = 0
    return now <= _seconds_of(entry_id) + needed_seconds + _TRIM_MARGIN


def _seconds_of(entry_id: str) -> float:
    """Return the time of a stream entry in seconds since the epoch. The id begins with it, in milliseconds."""
    return int(entry_id.split("-")[0]) / 1000
