"""The Redis blacklist of refresh tokens: one entry per session, however often it was refreshed.

An entry is the generation below which every refresh token is spent, or "ended". It expires with the session's tokens,
so there are never more entries than sessions. The blacklist refuses spent and revoked tokens without a query. It is
never the only source: SQL decides about every other token, and about all tokens while Redis does not answer.

Writes wait in memory and go out with the next read, so that a refresh costs one round trip.
"""

from collections import deque
from collections.abc import Iterator, Sequence

from auth_service.events.account_events import EndReason, SessionEnded, TokensRefreshed
from auth_service.redis_client import Command, RedisClient, RedisUnavailable

ENDED = "ended"

# SQL then answers that there is no such account; an entry would answer "blacklisted" instead.
_OF_THE_ACCOUNT = {EndReason.USER_DEACTIVATED, EndReason.USER_DELETED}


class Blacklist:
    """The spent refresh tokens in Redis. Never raises: without Redis no token is known to be spent."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        self._pending: deque[Command] = deque()

    def has_ended(self, sid: str) -> bool:
        """Return whether the session is known to have ended."""
        return self._read(sid) == ENDED

    def is_spent(self, sid: str, generation: int) -> bool:
        """Return whether a refresh token of this generation is known to be spent."""
        entry = self._read(sid)
        return entry is not None and (entry == ENDED or generation < int(entry))

    def add_spent_tokens(self, refreshes: Sequence[TokensRefreshed]) -> None:
        """Add the tokens that these refreshes spent; they go out with the next read, or with `flush`."""
        for refresh in refreshes:
            if refresh.spent_below is not None:
                self._add(refresh.sid, str(refresh.spent_below), refresh.expires_at - refresh.at)

    def add_ended_sessions(self, ended: Sequence[SessionEnded]) -> None:
        """Add ended sessions at once."""
        for session in ended:
            if session.reason not in _OF_THE_ACCOUNT:
                self._add(session.sid, ENDED, session.expires_at - session.at)
        self.flush()

    def flush(self) -> None:
        """Send the pending writes; called by a background job for the time when nothing is read."""
        if self._pending:
            self._exchange()

    def _add(self, sid: str, entry: str, seconds: float) -> None:
        milliseconds = int(seconds * 1000)
        if milliseconds > 0:
            self._pending.append(("SET", _key(sid), entry, "PX", milliseconds))

    def _read(self, sid: str) -> str | None:
        replies = self._exchange(("GET", _key(sid)))
        entry = replies[-1] if replies else None
        return entry if isinstance(entry, str) and (entry == ENDED or entry.isdecimal()) else None

    def _exchange(self, *reads: Command) -> list[object]:
        writes = list(self._take_pending())  # lost if Redis fails: SQL has the same facts
        try:
            return self._redis.exchange(*writes, *reads)
        except RedisUnavailable:
            return []

    def _take_pending(self) -> Iterator[Command]:
        try:
            while True:
                yield self._pending.popleft()
        except IndexError:
            return  # empty; another thread may have taken the last one


def _key(sid: str) -> str:
    return f"blacklist:{sid}"
