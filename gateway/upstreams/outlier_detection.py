"""Outlier detection for one address of an upstream, as a value and pure transitions.

An address is ejected after three consecutive failures (`eject_after`), or eight among the last sixteen requests. The
ejection time doubles with each ejection. After it the address is on trial: it gets one concurrent request, then two,
four and so on. One failure ends the trial with another ejection.
"""

from dataclasses import dataclass

BASE_EJECTION_TIME, MAX_EJECTION_TIME = 1.0, 30.0
"""Seconds: the first ejection, and the longest."""

HISTORY_MASK = 0xFFFF
"""The last sixteen outcomes, a bit each."""

MAX_FAILURES = 8
"""Failures in the history that eject."""

MAX_TRIAL_REQUESTS = 32
"""The largest number of concurrent requests on trial; the next response ends the trial."""

_MAX_EJECTIONS = 16
"""Bounds the exponent of the ejection time, which has long reached its maximum."""


@dataclass(frozen=True, slots=True)
class OutlierState:
    """The failures of one address. Times are monotonic seconds."""

    history: int = 0
    """A bit for each of the last outcomes, the newest lowest; 1 is a failure."""
    ejections: int = 0
    """Ejections since the history was last without a failure."""
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
    def is_clean(self) -> bool:
        """Return whether no failure is recorded, so that a response changes nothing."""
        return not (self.history or self.trial_requests or self.ejected_until)


def after_failure(
    state: OutlierState, *, sent_at: float, now: float, eject_after: int, jitter: float = 1.0
) -> OutlierState:
    """Return the state after a request, sent at `sent_at`, failed.

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
    """Return the state after a response. Sixteen consecutive responses clear it."""
    if state.is_ejected:
        return state
    history = (state.history << 1) & HISTORY_MASK
    trial_requests = 0 if state.trial_requests >= MAX_TRIAL_REQUESTS else state.trial_requests * 2
    return OutlierState(history, state.ejections if history else 0, state.changed_at, 0.0, trial_requests)


def after_readmission(state: OutlierState, now: float) -> OutlierState:
    """Return the state of an ejected address that is readmitted on trial."""
    return OutlierState(1, state.ejections, now, 0.0, 1)
