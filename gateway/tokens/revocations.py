"""Owns what has been revoked: sessions and subjects, held in memory and fed from Redis.

Policy: a look-up never leaves the process. While Redis is away nothing new is learned; what is known stays known.
REVOCATION_FAIL=open (the default) goes on, so that a revocation takes effect at the latest when the access token
expires; closed answers 503 once the feed has been silent for FEED_LIMIT seconds. Never 401: a client would drop a
good token for our fault. After every silence, and at the start, closed also asks the auth service whether the feed is
whole, and goes on with 503 until it has answered: what ended meanwhile may still have to be published.
An entry is forgotten when every token that it stops has expired; until when that is, it says itself.
"""

import asyncio
import secrets
from collections.abc import Iterable
from heapq import heappop, heappush

import structlog
from redis.asyncio import Redis

from chassis.clock import Clock
from contract.claims import LEEWAY, AccessClaims
from contract.problems import Refused
from contract.revocation import (
    ASKED,
    ASKED_FOR,
    COMPLETE,
    SESSION,
    STREAM,
    SUBJECT,
    Kind,
    Revocation,
    read_revocation,
)
from gateway.redis_errors import RedisUnavailable, redis_faults

_BLOCK_MS = 1_000
_PAGE = 200
"""Entries that are read at once: some milliseconds of the loop."""
_RETRY_PAUSE = 0.25
_MOST_REASONS = 5
"""Reasons that are logged in one silence."""
FEED_LIMIT = 5.0
"""Seconds of silence that REVOCATION_FAIL=closed bears."""
MOST_FORGOTTEN = 2_000
"""Entries that are forgotten at a time: more than are read at once, and some milliseconds of the loop."""
_log = structlog.get_logger("revocations")


class Revocations:
    """The revoked sessions and subjects of which a token may still be good."""

    def __init__(self, *, fail_closed: bool) -> None:
        self.fail_closed = fail_closed
        self._silence_limit = FEED_LIMIT if fail_closed else float("inf")
        self._heard_at = float("-inf") if fail_closed else float("inf")
        self._known: dict[Kind, dict[str, tuple[int, int]]] = {SESSION: {}, SUBJECT: {}}
        """When it was revoked, and until when that has to be known."""
        self._sessions, self._subjects = self._known[SESSION], self._known[SUBJECT]
        self._by_time: list[tuple[int, Kind, str]] = []
        """A heap, so that what is to be forgotten is found without a look at the rest."""

    def __len__(self) -> int:
        return len(self._sessions) + len(self._subjects)

    def add(self, revocation: Revocation) -> None:
        """Learns one revocation; learning it again, in any order, changes nothing."""
        known = self._known[revocation.kind]
        before = known.get(revocation.value, (-1, -1))
        at, until = max(before[0], revocation.at), max(before[1], revocation.until)
        if (at, until) != before:
            known[revocation.value] = (at, until)
            heappush(self._by_time, (until, revocation.kind, revocation.value))

    def heard(self, now: float) -> None:
        """Notes that everything published before `now` is known."""
        if self.fail_closed:
            self._heard_at = now

    def check(self, claims: AccessClaims, now: float) -> None:
        """Returns for a token whose session and subject stand. Raises Refused(401), or 503 as the policy says."""
        if now - self._heard_at > self._silence_limit:
            raise Refused("revocations_unavailable", retry_after=1)
        if claims.session in self._sessions:
            raise Refused("token_revoked")
        revoked = self._subjects.get(claims.subject)
        if revoked is not None and claims.issued_at <= revoked[0]:
            raise Refused("token_revoked")

    def forget(self, now: float) -> None:
        """Drops what speaks of expired tokens alone, so much at a time that no request waits."""
        for _ in range(MOST_FORGOTTEN):
            # The longest leeway that may be set: forgetting a little late costs nothing.
            if not self._by_time or self._by_time[0][0] + LEEWAY >= now:
                return
            until, kind, value = heappop(self._by_time)
            if self._known[kind].get(value, (-1, -1))[1] == until:  # and not revoked for longer since
                del self._known[kind][value]


class RevocationFeed:
    """Follows the stream: all of it at the start, then what is added, then all of what was missed after a gap."""

    def __init__(self, redis: "Redis", revocations: Revocations, clock: Clock) -> None:
        self._redis = redis
        self._revocations = revocations
        self._clock = clock
        self._last_id = "0"
        self._heard_at: float | None = None
        self._is_at_end = False
        """Whether the stream was read to its end since the last silence."""
        self._question = self._new_question()
        """What the auth service has yet to answer; empty where nothing was asked."""

    @property
    def loaded(self) -> bool:
        """Whether the stream was read to its end at least once."""
        return self._heard_at is not None

    def check(self) -> None:
        """Returns once the stream was read. Raises LookupError before."""
        if not self.loaded:
            raise LookupError("no revocations yet")

    def age(self, now: float) -> float:
        """Seconds since the stream was last read to its end; infinite before the first time."""
        return float("inf") if self._heard_at is None else max(0.0, now - self._heard_at)

    async def follow(self) -> None:
        """Reads on until cancelled; a silent or failing Redis is asked again four times a second."""
        logged: set[str] = set()
        while True:
            try:
                with redis_faults():
                    await self._read_page()
                if logged:
                    _log.info("revocation_feed_recovered")
                logged.clear()
            except RedisUnavailable as error:
                # The first reason is often that a connection was closed; why no other one serves comes after it.
                if error.reason not in logged and len(logged) < _MOST_REASONS:
                    _log.warning("revocation_feed_unavailable", reason=error.reason)
                    logged.add(error.reason)
                # Who answers next may be another server, or the same one emptied: its ids need not go on from ours.
                self._last_id = "0"
                self._is_at_end = False
                self._question = self._new_question()
                await asyncio.sleep(_RETRY_PAUSE)
            self._revocations.forget(self._clock())

    async def _read_page(self) -> None:
        if self._question:
            await self._ask()
        # Before the first full read, do not wait for news: an empty stream is read to its end at once.
        block = _BLOCK_MS if self._is_at_end else None
        answer = await self._redis.xread({STREAM: self._last_id}, count=_PAGE, block=block)
        entries = next(iter(_streams(answer)), [])
        for entry_id, fields in entries:
            self._learn(fields)
            self._last_id = entry_id
        self._is_at_end = len(entries) < _PAGE
        if self._is_at_end and not self._question:
            self._heard_at = self._clock()
            self._revocations.heard(self._heard_at)

    def _new_question(self) -> str:
        return secrets.token_hex(16) if self._revocations.fail_closed else ""

    async def _ask(self) -> None:
        """Asks whether the stream is whole; again and again until that is answered, for a question can be lost."""
        await self._redis.sadd(ASKED, self._question)
        await self._redis.expire(ASKED, ASKED_FOR)

    def _learn(self, fields: dict[str, str]) -> None:
        if fields.get("kind") == COMPLETE:
            if fields.get("value") == self._question:
                self._question = ""
            return
        try:
            self._revocations.add(read_revocation(fields))
        except ValueError as error:
            _log.error("revocation_unreadable", reason=str(error))


def _streams(answer: object) -> Iterable[list[tuple[str, dict[str, str]]]]:
    """The entries of each stream in an XREAD answer, in RESP 2's form (pairs) or RESP 3's (a map of pages)."""
    if isinstance(answer, dict):
        return [entry for pages in answer.values() for entry in pages]
    return [entries for _, entries in answer] if isinstance(answer, list) else []
