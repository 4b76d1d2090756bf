"""Owns the Redis blacklist of refresh tokens: one entry a session, however often it was refreshed.

An entry is the generation below which every refresh token is spent, or "ended". It expires with the session's tokens,
so it never outgrows the live sessions. It refuses floods without SQL and is never the only truth: what it does not
know, SQL decides, and while Redis is silent it knows nothing.
"""

from auth_service.redis_link import RedisLink, RedisSilent

ENDED = "ended"


class Blacklist:
    """What Redis knows of spent refresh tokens. Never raises: a silent Redis is one that knows nothing."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    def has_ended(self, sid: str) -> bool:
        """Whether the session is known to have ended."""
        return self._read(sid) == ENDED

    def is_spent(self, sid: str, generation: int) -> bool:
        """Whether a refresh token of this generation is known to be spent for good."""
        entry = self._read(sid)
        return entry is not None and (entry == ENDED or generation < int(entry))

    def note_spent(self, sid: str, below: int, *, seconds: float) -> None:
        """Refresh tokens of generations under `below` are spent; kept for the `seconds` they would have lived."""
        self._write(sid, str(below), seconds)

    def note_ended(self, sid: str, *, seconds: float) -> None:
        """The session has ended; kept for the `seconds` its tokens would have lived."""
        self._write(sid, ENDED, seconds)

    def _read(self, sid: str) -> str | None:
        try:
            entry = self._link.ask(lambda redis: redis.get(_key(sid)))
        except RedisSilent:
            return None
        return entry if isinstance(entry, str) and (entry == ENDED or entry.isdecimal()) else None

    def _write(self, sid: str, entry: str, seconds: float) -> None:
        milliseconds = int(seconds * 1000)
        if milliseconds <= 0:
            return
        try:
            self._link.ask(lambda redis: redis.set(_key(sid), entry, px=milliseconds))
        except RedisSilent:
            return  # SQL has it already


def _key(sid: str) -> str:
    return f"blacklist:{sid}"
