"""Report to the auth service the highest refresh generation of each session that a client has used.

The auth service uses the reports to distinguish a lost refresh response from a stolen token (confirm on first use). A
background task sends them in batches. While the auth service is unavailable they wait in memory.
"""

import asyncio
import json
from collections.abc import Mapping
from itertools import islice

import structlog

from contract.claims import AccessClaims
from contract.internal_api import MAX_REPORTED_SESSIONS, USAGE_REPORT_PATH
from gateway.bounded_cache import BoundedCache
from gateway.tokens.auth_client import Post

REPORT_SECONDS = 1.0
"""Time between two batches."""

BACKLOG_REPORT_SECONDS = 0.1
"""Time between two batches while a full batch is pending."""

MAX_PENDING = 100_000
"""Maximum number of pending sessions; the oldest ones beyond it are dropped."""

_log = structlog.get_logger("usage_reports")


class UsageReports:
    """The pending reports of one worker: the highest used generation by session."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._pending = BoundedCache[str, int](MAX_PENDING)

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, claims: AccessClaims) -> None:
        """Add a report that a client has used the generation of `claims`."""
        self._add(claims.session, claims.generation)

    async def report_once(self) -> None:
        """Send one batch. A batch that fails becomes pending again."""
        batch = dict(islice(self._pending.items(), MAX_REPORTED_SESSIONS))
        if not batch:
            return
        for session in batch:
            del self._pending[session]
        try:
            await self._send(batch)
        except OSError as error:
            _log.warning("usage_report_failed", pending=len(batch) + len(self), error=str(error))
            for session, generation in batch.items():
                self._add(session, generation)

    async def keep_reporting(self) -> None:
        """Send a batch every second until cancelled, faster while a full batch is pending."""
        while True:
            await asyncio.sleep(REPORT_SECONDS if len(self) < MAX_REPORTED_SESSIONS else BACKLOG_REPORT_SECONDS)
            await self.report_once()

    async def _send(self, batch: Mapping[str, int]) -> None:
        status, *_ = await self._post(USAGE_REPORT_PATH, json.dumps({"seen": list(batch.items())}).encode())
        if status != 204:
            raise OSError(f"{USAGE_REPORT_PATH} at the auth service answered {status}")

    def _add(self, session: str, generation: int) -> None:
        self._pending[session] = max(generation, self._pending.get(session, 0))
