"""When to send a delivery again, and when to disable an endpoint: pure functions of numbers and times in seconds."""

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0

DELAYS = (5.0, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, DAY)
"""Seconds before each further attempt, as Standard Webhooks 1.0.0 recommends: ten attempts in three days."""
JITTER = 0.2
"""The part of a delay by which it is longer or shorter, so that failed deliveries are not all repeated at once."""
DISABLE_AFTER = 5 * DAY
"""Seconds without a success after which an endpoint is disabled."""
LONGEST_RETRY_AFTER = DAY
"""The longest Retry-After that is respected."""
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 5 * MINUTE
"""Seconds of the first and of the longest pause while an endpoint does not respond."""

_UNAVAILABLE = frozenset({429, 502, 503, 504})


def delay_after(attempts: int, chance: float, retry_after: float | None = None) -> float | None:
    """Return the seconds until the next attempt after `attempts` failed ones; None to give up.

    `chance` is from 0 to 1. `retry_after` is what the receiver asked for, if it did.
    """
    if attempts > len(DELAYS):
        return None
    delay = DELAYS[attempts - 1] * (1 - JITTER + 2 * JITTER * chance)
    return max(delay, min(retry_after or 0.0, LONGEST_RETRY_AFTER))


def pause_after(failures: int, chance: float, retry_after: float | None = None) -> float:
    """Return the seconds for which a process sends nothing to an endpoint after `failures` in a row."""
    pause = min(FIRST_PAUSE * 2.0 ** min(failures - 1, 16), LONGEST_PAUSE)
    return max(pause * (1 - JITTER + 2 * JITTER * chance), min(retry_after or 0.0, LONGEST_PAUSE))


def is_unavailable(status_code: int | None) -> bool:
    """Return whether no delivery is likely to arrive now: there was no response, or one for an overload or outage."""
    return status_code is None or status_code in _UNAVAILABLE


def must_disable(status_code: int | None, failing_since: float, now: float) -> str:
    """Return why an endpoint is disabled after a failed attempt; empty if it is not.

    410 means that the receiver wants no more webhooks (Standard Webhooks 1.0.0).
    """
    if status_code == 410:
        return "the endpoint answered 410 Gone"
    if now - failing_since >= DISABLE_AFTER:
        return f"no delivery has succeeded for {DISABLE_AFTER / DAY:.0f} days"
    return ""
