"""Record which key this process signs access tokens with, so that an operator can retire the one before it safely."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from auth_service.store_errors import StoreUnavailable
from auth_service.tokens.signing_keys import SigningKey
from chassis.clock import Clock
from contract.claims import LEEWAY

MARGIN = 600.0
"""Seconds for which a record holds. A process records the use once a minute, with the retention job."""


class KeyUseStore(Protocol):
    """Stored uses of keys. Times are seconds since the epoch. Every method raises StoreUnavailable."""

    def record(self, kid: str, tokens_expire_at: float) -> None:
        """Record that the tokens of a key expire by `tokens_expire_at`. An earlier time changes nothing."""

    def tokens_expire_at(self, kid: str) -> float | None:
        """Return by when every token of a key has expired; None if no process has used the key."""


@dataclass(frozen=True, slots=True)
class KeyUse:
    """Records the use of the signing key of this process. `access_lifetime` is in seconds.

    While the database is unavailable nothing is recorded. Then no token is issued either.
    """

    store: KeyUseStore
    key: SigningKey
    access_lifetime: int
    clock: Clock

    def record(self) -> None:
        """Record that this process signs with its key until the next record, and a while longer."""
        with suppress(StoreUnavailable):
            self.store.record(self.key.public.kid, self.clock() + MARGIN + self.access_lifetime + LEEWAY)
