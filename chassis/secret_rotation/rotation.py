"""The steps in which a secret is replaced, as pure functions of the secrets in its file and the time.

single (one secret) -> published (the new one is accepted too) -> signing (the new one signs) -> single.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Step(StrEnum):
    """Where the replacement of a secret is."""

    SINGLE = "single"
    PUBLISHED = "published"
    SIGNING = "signing"


@dataclass(frozen=True, slots=True)
class Uptime:
    """Seconds since the boot `boot` of a machine: a clock that no change of the system time moves."""

    boot: str
    seconds: float

    def seconds_since(self, earlier: "Uptime | None") -> float | None:
        """Return the seconds since an earlier reading; None if the machine has been booted since, or is another."""
        return self.seconds - earlier.seconds if earlier and earlier.boot == self.boot else None


UptimeClock = Callable[[], Uptime | None]
"""A function that returns the uptime of this machine; None if it is not known."""


@dataclass(frozen=True, slots=True, repr=False)
class Rotation:
    """The secrets in a file; the first one signs. `since` is when the step began, in seconds since the epoch.

    `uptime` is that of the machine at the same time; None if it is not known.
    """

    secrets: tuple[str, ...]
    step: Step
    since: float
    uptime: Uptime | None = None

    def publish(self, new: str, now: float, uptime: Uptime | None = None) -> "Rotation":
        """Return the rotation after `new` was added, which every receiver accepts from then on."""
        return Rotation((self.secrets[0], new), Step.PUBLISHED, now, uptime)

    def sign(self, old: str, now: float, uptime: Uptime | None = None) -> "Rotation":
        """Return the rotation after the new secret was put first. `old` is the old one, as it stays accepted."""
        return Rotation((self.secrets[1], old), Step.SIGNING, now, uptime)

    def retire(self, now: float) -> "Rotation":
        """Return the rotation after the old secret was removed."""
        return Rotation(self.secrets[:1], Step.SINGLE, now)


@dataclass(frozen=True, slots=True)
class Waits:
    """How long a step lasts at least, in seconds.

    `published`: until every receiver has read the new secret. `signing`: until no sender signs with the old one any
    more, and what it signed last has expired. `tokens_expire_at`: when the last token of the old secret expires, as
    the processes have recorded it; None if nothing is recorded.
    """

    published: float
    signing: float
    tokens_expire_at: float | None = None


def due_at(rotation: Rotation, waits: Waits, now: float, uptime: Uptime | None = None) -> float:
    """Return when the next step may be made, by the clock that says `now`. Raises ValueError if none has begun.

    The clock may have been set since the step began. If the machine was not booted meanwhile, its uptime says how
    long the step has lasted. What was signed before the clock was set back expires by the clock, so that counts too.
    """
    if rotation.step is Step.SINGLE:
        raise ValueError("no rotation is in progress")
    is_signing = rotation.step is Step.SIGNING
    wait = waits.signing if is_signing else waits.published
    lasted = uptime.seconds_since(rotation.uptime) if uptime else None
    by_clock = rotation.since + wait
    by_uptime = by_clock if lasted is None else now + wait - lasted
    return max(by_clock, by_uptime, waits.tokens_expire_at or 0.0) if is_signing else by_uptime
