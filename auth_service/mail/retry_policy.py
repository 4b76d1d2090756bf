"""When to try again: pure functions of the number of failed attempts and of the time."""

FIRST_DELAY = 30.0
"""Seconds after the first failed attempt."""
LONGEST_DELAY = 900.0
"""The maximum of seconds between two attempts."""
JITTER = 0.2
"""The part of a delay by which it is longer or shorter, so that mails that failed together are not tried together."""
GIVE_UP_AFTER = 3 * 86_400.0
"""Seconds after which a mail that was not accepted is given up."""
LONGEST_PAUSE = 60.0
"""The maximum of seconds of a pause while the server is unavailable. All mails are sent soon after it is back."""


def delay_after(attempts: int, chance: float) -> float:
    """Return the seconds until the next attempt after `attempts` failed ones. `chance` is from 0 to 1."""
    return _backoff(attempts, LONGEST_DELAY, chance)


def pause_after(failures: int, chance: float) -> float:
    """Return the seconds for which a process sends nothing after `failures` failed connections in a row."""
    return _backoff(failures, LONGEST_PAUSE, chance)


def is_too_old(created_at: float, now: float) -> bool:
    """Return whether a mail that could not be sent is given up."""
    return now - created_at >= GIVE_UP_AFTER


def _backoff(failures: int, longest: float, chance: float) -> float:
    delay = min(FIRST_DELAY * 2.0 ** min(failures - 1, 16), longest)
    return delay * (1 - JITTER + 2 * JITTER * chance)
