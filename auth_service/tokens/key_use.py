"""Record what this process signs tokens with, so that a previous key or secret is removed when no token needs it.

The records are in the database, because only the processes know with which keys and lifetimes they have signed.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from auth_service.store_errors import StoreUnavailable
from chassis.clock import Clock
from contract.claims import LEEWAY

MARGIN = 120.0
"""Seconds for which a record holds."""

INTERVAL = 20.0
"""Seconds between two records of a process."""


class KeyUseStore(Protocol):
    """Stored uses of keys. Times are seconds since the epoch. Every method raises StoreUnavailable."""

    def record(self, kid: str, tokens_expire_at: float) -> None:
        """Record that the tokens of a key expire by `tokens_expire_at`. An earlier time changes nothing."""

    def tokens_expire_at(self, kid: str) -> float | None:
        """Return by when every token of a key has expired; None if no process has used the key."""


@dataclass(slots=True)
class KeyUse:
    """Records what this process signs with. `uses` returns the id of each key that signs now, and the longest
    lifetime of its tokens in seconds.

    While the database is unavailable nothing is recorded. Then no token is issued either.
    """

    store: KeyUseStore
    uses: Callable[[], Iterable[tuple[str, int]]]
    clock: Clock
    _recorded_at: float = field(default=float("-inf"), init=False)

    def record_if_due(self) -> None:
        """Record the uses if that was INTERVAL seconds ago."""
        if not 0 <= self.clock() - self._recorded_at < INTERVAL:
            self.record()

    def record(self) -> None:
        """Record that this process signs with its keys until the next record, and a while longer."""
        now = self.clock()
        with suppress(StoreUnavailable):
            for key_id, lifetime in self.uses():
                self.store.record(key_id, now + MARGIN + lifetime + LEEWAY)
            self._recorded_at = now
