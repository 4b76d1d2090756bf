"""Decoys: hashes that are verified for unknown names, so that the time of a log-in does not reveal imported accounts.

An imported account has a slower or faster hash than new ones until its first log-in. So an unknown name is treated
like an account at random: with the probability that an account has an imported hash, a hash from a sample of these is
verified, else one of ours. The choice is a keyed hash of the name, so repeated attempts always take the same time. As
users log in, the share of imported hashes falls, and names change over as accounts do.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from auth_service.accounts.email_addresses import email_key
from chassis.clock import Clock

SAMPLE_SIZE = 500
"""Imported accounts whose hashes are read."""
RELOAD_SECONDS = 600.0
"""Seconds between two samples."""


@dataclass(frozen=True, slots=True, repr=False)
class HashSample:
    """The hashes of at most SAMPLE_SIZE imported accounts, and the numbers of imported accounts and of all."""

    hashes: Sequence[str] = ()
    imported: int = 0
    accounts: int = 0


class Decoys:
    """Chooses the hash to verify for an unknown name.

    `load` reads a sample, `pseudonym` returns a keyed hash in hexadecimal digits, and every hash of ours begins with
    `own_prefix`. Thread-safe.
    """

    def __init__(
        self, load: Callable[[], HashSample], pseudonym: Callable[[str], str], own_prefix: str, clock: Clock
    ) -> None:
        self._load = load
        self._pseudonym = pseudonym
        self._own_prefix = own_prefix
        self._clock = clock
        self._loaded_at = float("-inf")
        self._decoys: Sequence[str] = ()
        self._share = 0.0

    def reload_if_due(self) -> None:
        """Read a new sample if the last one is old. Raises StoreUnavailable."""
        now = self._clock()
        if now - self._loaded_at < RELOAD_SECONDS:
            return
        sample = self._load()
        self._loaded_at = now
        # An account without a password is not a decoy: its log-in takes as long as that of a new account.
        decoys = [stored for stored in sample.hashes if stored and not stored.startswith(self._own_prefix)]
        of_imported = len(decoys) / len(sample.hashes) if sample.hashes else 0.0
        self._share = of_imported * sample.imported / max(sample.accounts, 1)
        self._decoys = decoys

    def hash_for(self, name: str) -> str | None:
        """Return the hash to verify for an unknown name; None for one of ours. No password is right for it."""
        decoys, share = self._decoys, self._share
        if not decoys:
            return None
        digits = self._pseudonym(f"decoy {email_key(name)}")
        if int(digits[:13], 16) / 16**13 >= share:
            return None
        return decoys[int(digits[13:26], 16) % len(decoys)]
