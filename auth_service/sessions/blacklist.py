"""Owns the Redis blacklist of refresh tokens: one entry a session, however often it was refreshed.

An entry is the generation below which every refresh token is spent, or "ended". It expires with the session's tokens,
so it never outgrows the live sessions. It refuses floods without SQL and is never the only truth: what it does not
know, SQL decides, and while Redis is silent it knows nothing.

That is why a token that was spent can be noted a moment later, on the way of the next question: a refresh is then one
round trip, not two.
"""

from collections import deque
from collections.abc import Iterator

from auth_service.storage.redis import Command, RedisClient, RedisUnavailable

ENDED = "ended"


class Blacklist:
    """What Redis knows of spent refresh tokens. Never raises: a silent Redis is one that knows nothing."""

    def __init__(self, link: RedisClient) -> None:
        self._link = link
        self._noted: deque[Command] = deque()

    def has_ended(self, sid: str) -> bool:
        """Whether the session is known to have ended."""
        return self._read(sid) == ENDED

    def is_spent(self, sid: str, generation: int) -> bool:
        """Whether a refresh token of this generation is known to be spent for good."""
        entry = self._read(sid)
        return entry is not None and (entry == ENDED or generation < int(entry))

    def note_spent(self, sid: str, below: int, *, seconds: float) -> None:
        """Refresh tokens of generations under `below` are spent; kept for the `seconds` they would have lived.

        Redis is told with the next question, or by `tell`.
        """
        self._note(sid, str(below), seconds)

    def note_ended(self, sid: str, *, seconds: float) -> None:
        """The session has ended; kept for the `seconds` its tokens would have lived."""
        self._note(sid, ENDED, seconds)
        self.tell()

    def tell(self) -> None:
        """Tells Redis what was noted; to be called now and then, where nobody asks."""
        if self._noted:
            self._exchange()

    def _note(self, sid: str, entry: str, seconds: float) -> None:
        milliseconds = int(seconds * 1000)
        if milliseconds > 0:
            self._noted.append(("SET", _key(sid), entry, "PX", milliseconds))

    def _read(self, sid: str) -> str | None:
        answers = self._exchange(("GET", _key(sid)))
        entry = answers[-1] if answers else None
        return entry if isinstance(entry, str) and (entry == ENDED or entry.isdecimal()) else None

    def _exchange(self, *questions: Command) -> list[object]:
        noted = list(self._take_noted())  # gone whatever comes of it: SQL has it already
        try:
            return self._link.exchange(*noted, *questions)
        except RedisUnavailable:
            return []

    def _take_noted(self) -> Iterator[Command]:
        try:
            while True:
                yield self._noted.popleft()
        except IndexError:
            return  # another thread's question may have taken the last


def _key(sid: str) -> str:
    return f"blacklist:{sid}"
