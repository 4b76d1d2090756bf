"""Keep HAProxy's maps current: the revoked sessions and subjects, the verification keys, and `valid_until`.

Failure policy: the edge decides requests until `valid_until`, a few seconds ahead, which is moved on once a second.
If this process ends, or HAProxy restarts and has empty maps, the gateway decides all requests. With
REVOCATION_FAIL=closed `valid_until` is not moved on while the revocation feed is not current; with `open` it is, as
the gateway then continues, too.
"""

import asyncio
import re
from collections.abc import Callable, Iterable
from contextlib import suppress

import structlog

from chassis.clock import Clock
from gateway.edge.folder import EdgeFolder
from gateway.edge.runtime_socket import RuntimeSession, reload, runtime_session
from gateway.edge.verification_key_files import key_map_lines, write_key_files
from gateway.tokens.revocation_feed import RevocationFeed
from gateway.tokens.revocations import MAX_FEED_AGE_SECONDS, Revocations
from gateway.tokens.verification_keys import VerificationKeys

VALID_SECONDS = 5
"""Time for which the edge decides requests after the last sign of life of this process."""

BEAT_SECONDS = 1.0
"""Time between two updates of `valid_until`."""

CLEANING_SECONDS = 60.0
"""Time after which revocations that no token needs any more are removed from the map."""

PLAIN_VALUE = re.compile(r"[A-Za-z0-9._@:-]{1,128}", re.ASCII)
"""The session ids and subjects that the edge accepts. The gateway decides the requests of all others."""

_log = structlog.get_logger("edge")


class Synchronizer:
    """Writes what `feed` and `keys` learn to HAProxy. `clock` is the time in seconds since the epoch.

    `write_secrets` writes the identity secrets again, and returns whether they have changed.
    """

    def __init__(
        self,
        folder: EdgeFolder,
        feed: RevocationFeed,
        revocations: Revocations,
        keys: VerificationKeys,
        write_secrets: Callable[[], bool],
        changed: asyncio.Event,
        clock: Clock,
    ) -> None:
        self._folder = folder
        self._feed = feed
        self._revocations = revocations
        self._keys = keys
        self._write_secrets = write_secrets
        self._changed = changed
        self._clock = clock
        self._pushed: frozenset[str] = frozenset()
        """The values that are in HAProxy's map."""
        self._cleaned_at = clock()
        self._keys_version = -1
        self._reload_pending = False
        self._failure = ""

    async def keep_current(self) -> None:
        """Update HAProxy once a second, and at once after a revocation, until cancelled."""
        while True:
            self._changed.clear()
            await self.update()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), BEAT_SECONDS)

    async def update(self) -> None:
        """Write everything that has changed. A failure is logged once, and the next call tries again."""
        if not (self._feed.loaded and self._keys.loaded):
            return
        try:
            await self._write_files()
            async with runtime_session(self._folder.socket) as session:
                await self._update_maps(session)
        except OSError as error:
            if str(error) != self._failure:
                _log.warning("edge_update_failed", error=str(error))
            self._failure = str(error)
            return
        if self._failure:
            _log.info("edge_update_recovered")
        self._failure = ""

    async def _write_files(self) -> None:
        """Write keys and secrets if they have changed, and make HAProxy reload. Raises OSError."""
        self._reload_pending |= self._write_secrets()
        if self._keys_version != self._keys.version:
            self._reload_pending |= write_key_files(self._folder, self._keys.current)
        if self._reload_pending and self._folder.master_socket.exists():
            await reload(self._folder.master_socket, self._folder.socket)
            self._reload_pending = False
            _log.info("edge_reloaded")

    async def _update_maps(self, session: RuntimeSession) -> None:
        values = self._plain_values()
        if self._keys_version != self._keys.version or self._is_time_to_clean():
            await self._replace_maps(session, values)
        if added := values - self._pushed:
            await session.add(self._folder.revoked_map, _lines(added))
            self._pushed |= added
        state, valid_until = self._folder.state_map, self._valid_until()
        if await session.run(f"set map {state} valid_until {valid_until}"):
            # The process is a new one, in whose map there is no such key.
            await self._replace_maps(session, values)
            await session.replace(state, [f"valid_until {valid_until}"])
            _log.info("edge_synchronized", revocations=len(values), keys=len(self._keys.current))

    async def _replace_maps(self, session: RuntimeSession, values: frozenset[str]) -> None:
        version = self._keys.version
        await session.replace(self._folder.revoked_map, _lines(values))
        await session.replace(self._folder.keys_map, key_map_lines(self._folder, self._keys.current))
        self._pushed, self._keys_version, self._cleaned_at = values, version, self._clock()

    def _is_time_to_clean(self) -> bool:
        return self._clock() - self._cleaned_at >= CLEANING_SECONDS

    def _plain_values(self) -> frozenset[str]:
        return frozenset(filter(PLAIN_VALUE.fullmatch, self._revocations.values()))

    def _valid_until(self) -> int:
        now = self._clock()
        if not self._revocations.fail_closed:
            return int(now) + VALID_SECONDS
        return int(now - self._feed.age(now) + min(VALID_SECONDS, MAX_FEED_AGE_SECONDS))


def _lines(values: Iterable[str]) -> list[str]:
    return [f"{value} 1" for value in sorted(values)]
