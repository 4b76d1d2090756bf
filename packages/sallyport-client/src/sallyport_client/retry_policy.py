"""How long calls wait for a server that is unavailable, and when they try again."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

UNAVAILABLE = frozenset({429, 500, 502, 503, 504})
"""Statuses after which the same refresh may succeed later. None of them means that the session has ended."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The limits of waiting, in seconds.

    `total_seconds` limits one call with all its attempts and pauses; 0 means one attempt. `attempt_seconds` is the
    timeout of one attempt. Pauses without a Retry-After are random, so that clients that failed together do not
    return together, up to a limit that doubles from `first_pause` to `longest_pause`.
    """

    total_seconds: float = 30.0
    attempt_seconds: float = 10.0
    first_pause: float = 0.25
    longest_pause: float = 5.0

    def pause(self, attempt: int, retry_after: float | None) -> float:
        """Return the seconds to wait after the `attempt`-th failure (from 0)."""
        if retry_after is not None:
            return retry_after
        limit = min(self.first_pause * 2 ** min(attempt, 30), self.longest_pause)
        return random.uniform(limit / 2, limit)  # noqa: S311 - nobody gains by guessing it


def retry_after_in(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of a Retry-After field (RFC 9110 10.2.3); None if it is missing or malformed.

    `headers` must ignore case. A date counts from the response's own Date, because this machine's clock may be wrong.
    """
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    then, now = _date(value), _date(headers.get("Date", ""))
    if then is None or now is None:
        return None
    return max((then - now).total_seconds(), 0.0)


def _date(value: str) -> datetime | None:
    try:
        return parsedate_to_datetime(value).replace(tzinfo=UTC)  # GMT, by RFC 9110 5.6.7
    except ValueError:
        return None
