"""Reports to the auth service which generation of each session was seen in use, so that it can tell a lost answer
from a stolen token (confirm on first use).

Never in a request's way: a token is noted once, when it is verified, and the notes leave in batches, at most one
a second. While the auth service is away they wait, the newest first to be kept.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from itertools import islice

import structlog

from contract.claims import AccessClaims
from contract.internal import MAX_SEEN
from gateway.bounded_cache import BoundedCache

REPORT_PAUSE = 1.0
"""Seconds between two reports."""
LIMIT = 100_000
"""Sessions that may wait to be reported."""

Report = Callable[[bytes], Awaitable[None]]
"""Sends a JSON document. Raises OSError when it was not taken."""

_log = structlog.get_logger("sightings")


class UsageReports:
    """What was seen and is still to be reported: the highest generation of each session."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._waiting = BoundedCache[str, int](LIMIT)

    def __len__(self) -> int:
        return len(self._waiting)

    def note(self, claims: AccessClaims) -> None:
        """Notes that the session's generation is in use."""
        self._put(claims.session, claims.generation)

    async def report_once(self) -> None:
        """Reports one batch; where that fails it waits for the next time."""
        batch = dict(islice(self._waiting.items(), MAX_SEEN))
        if not batch:
            return
        for session in batch:
            del self._waiting[session]
        try:
            await self._report(json.dumps({"seen": list(batch.items())}).encode())
        except OSError as error:
            _log.warning("usage_report_failed", waiting=len(batch) + len(self), reason=str(error))
            for session, generation in batch.items():
                self._put(session, generation)

    async def keep_reporting(self) -> None:
        """Reports once a second, and what a burst left over at once, until cancelled."""
        while True:
            await asyncio.sleep(REPORT_PAUSE if len(self) < MAX_SEEN else 0.1)
            await self.report_once()

    def _put(self, session: str, generation: int) -> None:
        self._waiting[session] = max(generation, self._waiting.get(session, 0))
