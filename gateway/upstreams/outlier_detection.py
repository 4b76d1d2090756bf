"""Decides which address of an upstream is left out for a while: its standing, as a value and what follows it.

An address that fails three times in a row (`eject_after`), or eight times of sixteen, is out for a time that grows
with each ejection. It comes back on trial: it is given one request at a time, then two, four and so on, and one
failure ends the trial.
"""

from dataclasses import dataclass

FIRST_TIME, LONGEST_TIME = 1.0, 30.0
"""Seconds out: the first time, and at most."""

REMEMBERED = 0xFFFF
"""The last sixteen outcomes, a bit each."""

TOO_MANY = 8
"""Failures among these."""

FULL_TRUST = 32
"""Requests at once that an address on trial is given at most; the next answer ends the trial."""


@dataclass(frozen=True, slots=True)
class OutlierState:
    """How an address has fared. `recent` has a bit for each of the last outcomes, the newest lowest; 1 is a failure.

    `trial` is how many requests at once it is given, 0 meaning as many as there are. Times are a monotonic clock's
    seconds: `since` when it came back, `out_until` when it may, 0 while it is in.
    """

    recent: int = 0
    ejections: int = 0
    since: float = 0.0
    out_until: float = 0.0
    trial: int = 0

    @property
    def is_out(self) -> bool:
        """Whether it is left out."""
        return self.out_until > 0

    @property
    def is_calm(self) -> bool:
        """Whether all is well, so that an answer changes nothing."""
        return not (self.recent or self.trial or self.out_until)


def after_failure(
    standing: OutlierState, *, asked_at: float, now: float, eject_after: int, stretch: float = 1.0
) -> OutlierState:
    """The standing after a request, sent at `asked_at`, was not answered.

    `eject_after` in a row eject; 0 means that nothing does. `stretch` (1 or more) keeps workers from returning at one
    moment. What was asked before the address went out, or came back, has been counted with its like.
    """
    if standing.is_out or asked_at < standing.since or not eject_after:
        return standing
    recent = (standing.recent << 1 | 1) & REMEMBERED
    in_a_row = (1 << eject_after) - 1
    if not standing.trial and recent & in_a_row != in_a_row and recent.bit_count() < TOO_MANY:
        return OutlierState(recent, standing.ejections, standing.since)
    time_out = min(FIRST_TIME * 2**standing.ejections, LONGEST_TIME)
    return OutlierState(recent, min(standing.ejections + 1, 16), now, now + time_out * stretch)


def after_answer(standing: OutlierState) -> OutlierState:
    """The standing after an answer. Sixteen in a row make every failure forgotten."""
    if standing.is_out:
        return standing
    recent = (standing.recent << 1) & REMEMBERED
    trial = 0 if standing.trial >= FULL_TRUST else standing.trial * 2
    return OutlierState(recent, standing.ejections if recent else 0, standing.since, 0.0, trial)


def readmitted(standing: OutlierState, now: float) -> OutlierState:
    """The standing of one that is back, on trial."""
    return OutlierState(1, standing.ejections, now, 0.0, 1)
