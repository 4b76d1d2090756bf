"""Follow the revocation stream in Redis and add its entries to the revocations in memory.

With REVOCATION_FAIL=closed the feed also asks the auth service, at the start and after every outage, whether the
stream is complete. Until the answer arrives, revocations of the outage may still be unpublished, so requests get 503.
"""

import asyncio
import secrets
from collections.abc import Iterable

import structlog
from redis.asyncio import Redis

from chassis.clock import Clock
from contract.revocation import (
    COMPLETENESS_QUERIES,
    COMPLETENESS_QUERY_TTL,
    COMPLETENESS_REPLY,
    STREAM,
    read_revocation,
)
from gateway.redis_errors import RedisUnavailable, redis_faults
from gateway.tokens.revocations import Revocations

_BLOCK_MS = 1_000
_PAGE = 200
"""Entries per read: some milliseconds of the event loop."""
_RETRY_SECONDS = 0.25
_MAX_LOGGED_ERRORS = 5
"""Different errors that are logged during one outage."""
_log = structlog.get_logger("revocation_feed")


class RevocationFeed:
    """Reads the whole stream at the start, then new entries, and the whole stream again after every outage."""

    def __init__(self, redis: "Redis", revocations: Revocations, clock: Clock) -> None:
        self._redis = redis
        self._revocations = revocations
        self._clock = clock
        self._last_id = "0"
        self._current_at: float | None = None
        self._is_at_end = False
        """Whether the stream was read to its end since the last outage."""
        self._question = self._new_question()
        """The question to the auth service that has no answer yet; empty if there is none."""

    @property
    def loaded(self) -> bool:
        """Whether the stream was read to its end at least once."""
        return self._current_at is not None

    def check(self) -> None:
        """Raise LookupError if the stream was never read to its end."""
        if not self.loaded:
            raise LookupError("no revocations yet")

    def age(self, now: float) -> float:
        """Return the seconds since the stream was last read to its end; infinity before the first time."""
        return float("inf") if self._current_at is None else max(0.0, now - self._current_at)

    async def follow(self) -> None:
        """Read the stream until cancelled; retry every _RETRY_SECONDS while Redis fails."""
        logged_errors: set[str] = set()
        while True:
            try:
                with redis_faults():
                    await self._read_page()
                if logged_errors:
                    _log.info("revocation_feed_recovered")
                logged_errors.clear()
            except RedisUnavailable as error:
                # The first error is often a closed connection; the cause follows when a new connection is refused.
                if error.reason not in logged_errors and len(logged_errors) < _MAX_LOGGED_ERRORS:
                    _log.warning("revocation_feed_unavailable", error=error.reason)
                    logged_errors.add(error.reason)
                self._restart()
                await asyncio.sleep(_RETRY_SECONDS)
            self._revocations.evict_expired(self._clock())

    def _restart(self) -> None:
        # The next server may be another one, or the same one emptied: its entry ids may start anew.
        self._last_id = "0"
        self._is_at_end = False
        self._question = self._new_question()

    async def _read_page(self) -> None:
        if self._question:
            await self._ask()
        # Before the first full read a blocking read would delay the start by a second on an empty stream.
        block = _BLOCK_MS if self._is_at_end else None
        response = await self._redis.xread({STREAM: self._last_id}, count=_PAGE, block=block)
        entries = next(iter(_streams(response)), [])
        for entry_id, fields in entries:
            self._add(fields)
            self._last_id = entry_id
        self._is_at_end = len(entries) < _PAGE
        if self._is_at_end and not self._question:
            self._current_at = self._clock()
            self._revocations.mark_current(self._current_at)

    def _new_question(self) -> str:
        return secrets.token_hex(16) if self._revocations.fail_closed else ""

    async def _ask(self) -> None:
        """Ask the auth service whether the stream is complete. Repeated with each read: questions can be lost."""
        await self._redis.sadd(COMPLETENESS_QUERIES, self._question)
        await self._redis.expire(COMPLETENESS_QUERIES, COMPLETENESS_QUERY_TTL)

    def _add(self, fields: dict[str, str]) -> None:
        if fields.get("kind") == COMPLETENESS_REPLY:
            if fields.get("value") == self._question:
                self._question = ""
            return
        try:
            self._revocations.add(read_revocation(fields))
        except ValueError as error:
            _log.error("revocation_unreadable", error=str(error))


def _streams(response: object) -> Iterable[list[tuple[str, dict[str, str]]]]:
    """Return the entries of each stream in an XREAD response: pairs in RESP 2, a map of pages in RESP 3."""
    if isinstance(response, dict):
        return [entry for pages in response.values() for entry in pages]
    return [entries for _, entries in response] if isinstance(response, list) else []
