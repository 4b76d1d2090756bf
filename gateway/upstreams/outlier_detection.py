"""Outlier detection for one address of an upstream, as a value and pure transitions.

An address is ejected after `eject_after` consecutive failures, or eight failures among the last sixteen requests. The
ejection time doubles with each ejection. Then the address is on trial: it gets one concurrent request, then two, four
and so on. One failure during the trial ejects the address again.
"""

from dataclasses import dataclass

BASE_EJECTION_TIME, MAX_EJECTION_TIME = 1.0, 30.0
"""Seconds: the first ejection, and the longest."""

HISTORY_MASK = 0xFFFF
"""A bit for each of the last sixteen outcomes."""

MAX_FAILURES = 8
"""The number of failures in the history that ejects an address."""

MAX_TRIAL_REQUESTS = 32
"""The largest number of concurrent requests on trial; the next response ends the trial."""

_MAX_EJECTIONS = 16
"""Bounds the exponent of the ejection time, which reaches its maximum much earlier."""


@dataclass(frozen=True, slots=True)
class OutlierState:
    """The failures of one address. Times are monotonic seconds."""

    history: int = 0
    """A bit for each of the last outcomes; 1 is a failure, and the lowest bit is the newest outcome."""
    ejections: int = 0
    """Ejections since the history last contained no failure."""
    changed_at: float = 0.0
    """When the address was ejected or readmitted. Failures of requests sent earlier do not count."""
    ejected_until: float = 0.0
    """When the address may be readmitted; 0 if it is not ejected."""
    trial_requests: int = 0
    """Concurrent requests allowed on trial; 0 if the address is not on trial."""

    @property
    def is_ejected(self) -> bool:
        """Return whether the address is ejected."""
        return self.ejected_until > 0

    @property
    def has_no_failures(self) -> bool:
        """Return whether the history contains no failure, and the address is neither ejected nor on trial."""
        return not (self.history or self.trial_requests or self.ejected_until)


def after_failure(
    state: OutlierState, *, sent_at: float, now: float, eject_after: int, jitter: float = 1.0
) -> OutlierState:
    """Return the state after the failure of a request that was sent at `sent_at`.

    `eject_after` consecutive failures eject; 0 means never. `jitter`, a factor of at least 1, keeps the workers from
    readmitting at the same time.
    """
    if state.is_ejected or sent_at < state.changed_at or not eject_after:
        return state
    history = (state.history << 1 | 1) & HISTORY_MASK
    consecutive = (1 << eject_after) - 1
    if not state.trial_requests and history & consecutive != consecutive and history.bit_count() < MAX_FAILURES:
        return OutlierState(history, state.ejections, state.changed_at)
    ejection_time = min(BASE_EJECTION_TIME * 2**state.ejections, MAX_EJECTION_TIME)
    return OutlierState(history, min(state.ejections + 1, _MAX_EJECTIONS), now, now + ejection_time * jitter)


def after_response(state: OutlierState) -> OutlierState:
    """Return the state after a response. Sixteen consecutive responses clear the history."""
    if state.is_ejected:
        return state
    history = (state.history << 1) & HISTORY_MASK
    trial_requests = 0 if state.trial_requests >= MAX_TRIAL_REQUESTS else state.trial_requests * 2
    return OutlierState(history, state.ejections if history else 0, state.changed_at, 0.0, trial_requests)


def after_readmission(state: OutlierState, now: float) -> OutlierState:
    """Return the state of an ejected address that is readmitted on trial."""
    return OutlierState(1, state.ejections, now, 0.0, 1)
