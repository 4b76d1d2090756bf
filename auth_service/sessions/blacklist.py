"""The blacklist of refresh tokens in Redis: one entry per session.

An entry is the lowest valid generation of the session, or "ended". It expires by the session's absolute end. The
blacklist saves SQL queries: tokens of ended sessions are refused by it, and at /auth/jwt/verify/ and
/auth/jwt/blacklist/ also used tokens. It need not be complete: SQL decides about every other token, and about all
tokens while Redis does not reply.

The writes of a refresh wait in memory and are sent with the next read, so that a refresh costs one round trip.
"""

from collections import deque
from collections.abc import Iterator, Sequence

from auth_service.events.account_events import EndReason, SessionEnded, TokensRefreshed
from auth_service.redis_client import Command, RedisClient, RedisUnavailable

ENDED = "ended"
"""The entry of a session that has ended."""

# Sessions that ended for these reasons get no entry. SQL then refuses their tokens because there is no active
# account; an entry would refuse them as blacklisted.
_NOT_BLACKLISTED = {EndReason.USER_DEACTIVATED, EndReason.USER_DELETED}


class Blacklist:
    """Reads and writes the blacklist. While Redis does not reply, it is empty: no method raises RedisUnavailable."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        self._pending: deque[Command] = deque()

    def has_ended(self, sid: str) -> bool:
        """Return whether the entry of the session is "ended"."""
        return self._read(sid) == ENDED

    def is_used_or_ended(self, sid: str, generation: int) -> bool:
        """Return whether the generation is below the lowest valid one, or the session has ended, by the blacklist."""
        entry = self._read(sid)
        return entry is not None and (entry == ENDED or generation < int(entry))

    def add_used_tokens(self, refreshes: Sequence[TokensRefreshed]) -> None:
        """Store the lowest valid generation of each rotated session. Sent with the next read, or by `flush`."""
        for refresh in refreshes:
            if refresh.lowest_valid_generation is not None:
                self._add(refresh.sid, str(refresh.lowest_valid_generation), refresh.expires_at - refresh.at)

    def add_ended_sessions(self, ended: Sequence[SessionEnded]) -> None:
        """Add ended sessions and send them at once."""
        for session in ended:
            if session.reason not in _NOT_BLACKLISTED:
                self._add(session.sid, ENDED, session.expires_at - session.at)
        self.flush()

    def flush(self) -> None:
        """Send the pending writes. A background job calls it, in case there is no read for long."""
        if self._pending:
            self._send()

    def _add(self, sid: str, entry: str, seconds: float) -> None:
        milliseconds = int(seconds * 1000)
        if milliseconds > 0:
            self._pending.append(("SET", _key(sid), entry, "PX", milliseconds))

    def _read(self, sid: str) -> str | None:
        replies = self._send(("GET", _key(sid)))
        entry = replies[-1] if replies else None
        return entry if isinstance(entry, str) and (entry == ENDED or entry.isdecimal()) else None

    def _send(self, *reads: Command) -> list[object]:
        writes = list(self._take_pending())  # lost if Redis fails; SQL still refuses these tokens
        try:
            return self._redis.send_pipeline(*writes, *reads)
        except RedisUnavailable:
            return []

    def _take_pending(self) -> Iterator[Command]:
        try:
            while True:
                yield self._pending.popleft()
        except IndexError:
            return  # the queue is empty; another thread may have taken the last write


def _key(sid: str) -> str:
    return f"blacklist:{sid}"
