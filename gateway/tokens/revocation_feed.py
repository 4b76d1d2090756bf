"""Follow the revocation stream in Redis and add its entries to the revocations in memory.

With REVOCATION_FAIL=closed, the feed also sends a completeness query to the auth service, at the start and after an
outage. The auth service publishes what the stream lacks, and then confirms the query in the stream. Until then
requests get 503, because revocations of the outage may be unpublished.
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
"""Milliseconds for which a read waits for new entries."""

_PAGE = 200
"""Maximum entries per read, which take some milliseconds of the event loop."""

_RETRY_SECONDS = 0.25

_MAX_LOGGED_ERRORS = 5
"""Maximum number of different errors that are logged during one outage."""

_log = structlog.get_logger("revocation_feed")


class RevocationFeed:
    """Reads the whole stream at the start, then new entries, and the whole stream again after every outage.

    It is current when the stream has been read to its end and no completeness query is open.
    """

    def __init__(self, redis: "Redis", revocations: Revocations, clock: Clock) -> None:
        self._redis = redis
        self._revocations = revocations
        self._clock = clock
        self._last_id = "0"
        self._current_at: float | None = None
        """When the feed was last current, in seconds since the epoch."""
        self._is_at_end = False
        """Whether the stream was read to its end since the last outage."""
        self._open_query = self._new_query()
        """The completeness query that is not confirmed yet; empty if there is none."""

    @property
    def loaded(self) -> bool:
        """Return whether the feed was current at least once."""
        return self._current_at is not None

    def check(self) -> None:
        """Raise LookupError if the feed was never current (readiness check)."""
        if not self.loaded:
            raise LookupError("the revocation feed has not been read completely yet")

    def age(self, now: float) -> float:
        """Return the seconds since the feed was last current; infinity before the first time."""
        return float("inf") if self._current_at is None else max(0.0, now - self._current_at)

    async def follow(self) -> None:
        """Read the stream until cancelled, then close the connections to Redis."""
        try:
            await self._keep_reading()
        finally:
            await self._redis.aclose()

    async def _keep_reading(self) -> None:
        """Read the stream; retry every _RETRY_SECONDS while Redis fails."""
        logged_errors: set[str] = set()
        while True:
            try:
                with redis_faults():
                    await self._read_page()
                if logged_errors:
                    _log.info("revocation_feed_recovered")
                logged_errors.clear()
            except RedisUnavailable as error:
                # The first error is often a closed connection. The next one, of a new connection, names the cause.
                if error.reason not in logged_errors and len(logged_errors) < _MAX_LOGGED_ERRORS:
                    _log.warning("revocation_feed_unavailable", error=error.reason)
                    logged_errors.add(error.reason)
                self._restart()
                await asyncio.sleep(_RETRY_SECONDS)
            self._revocations.evict_expired(self._clock())

    def _restart(self) -> None:
        # Redis may have been replaced or emptied during the outage, and entry ids may begin again.
        self._last_id = "0"
        self._is_at_end = False
        self._open_query = self._new_query()

    async def _read_page(self) -> None:
        """Read the next entries of the stream, and wait for them up to a second if the end was reached."""
        if self._open_query:
            await self._send_query()
        # Until the end is reached, reads do not block: on an empty stream that would delay the start by a second.
        block = _BLOCK_MS if self._is_at_end else None
        response = await self._redis.xread({STREAM: self._last_id}, count=_PAGE, block=block)
        entries = next(iter(_streams(response)), [])
        for entry_id, fields in entries:
            self._add(fields)
            self._last_id = entry_id
        self._is_at_end = len(entries) < _PAGE
        if self._is_at_end and not self._open_query:
            self._current_at = self._clock()
            self._revocations.mark_current(self._current_at)

    def _new_query(self) -> str:
        return secrets.token_hex(16) if self._revocations.fail_closed else ""

    async def _send_query(self) -> None:
        """Send the completeness query. It is sent again with each read: Redis or the auth service can lose it."""
        await self._redis.sadd(COMPLETENESS_QUERIES, self._open_query)
        await self._redis.expire(COMPLETENESS_QUERIES, COMPLETENESS_QUERY_TTL)

    def _add(self, fields: dict[str, str]) -> None:
        if fields.get("kind") == COMPLETENESS_REPLY:
            if fields.get("value") == self._open_query:
                self._open_query = ""
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
