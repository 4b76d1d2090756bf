"""Rates such as "300/minute" in settings and routes."""

import re
from dataclasses import dataclass

_RATE = re.compile(r"(\d{1,9}) ?/ ?(?:(\d{1,5}) )?(second|minute|hour|day)s?", re.ASCII)
_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
_MAX_PERIOD = 86_400
"""Seconds: one day."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` events in any period of `seconds`."""

    count: int
    seconds: int

    def __str__(self) -> str:
        unit, unit_seconds = next(
            (unit, seconds) for unit, seconds in reversed(_SECONDS.items()) if self.seconds % seconds == 0
        )
        units = self.seconds // unit_seconds
        return f"{self.count}/{unit}" if units == 1 else f"{self.count}/{units} {unit}s"


def parse_rate(text: object) -> Rate:
    """Return the rate in `text`, such as "10/5 minutes"; a Rate is returned as it is.

    Raises ValueError for any other value, for a count of 0 and for a period over a day.
    """
    if isinstance(text, Rate):
        return text
    parts = _RATE.fullmatch(text.strip()) if isinstance(text, str) else None
    rate = Rate(int(parts[1]), int(parts[2] or 1) * _SECONDS[parts[3]]) if parts else None
    if rate is None or not rate.count or not 0 < rate.seconds <= _MAX_PERIOD:
        raise ValueError('must be a rate as "300/minute", "50/second" or "10/5 minutes", over at most a day')
    return rate
