"""Convert the values of a source's fields: flags, texts, roles and times of databases, JSON and CSV."""

from collections.abc import Iterable
from datetime import UTC, datetime

_FLAGS = {"1": True, "t": True, "true": True, "yes": True, "0": False, "f": False, "false": False, "no": False}

_LATEST = 253_402_300_799.0
"""The end of the year 9999, in seconds since the epoch."""


def read_flag(value: object, *, default: bool) -> bool | None:
    """Return the flag in a value; `default` if it is missing, None if it is no flag."""
    if value is None or value == "":
        return default
    if isinstance(value, bool):
        return value
    return _FLAGS.get(str(value).strip().lower())


def read_text(value: object, max_length: int) -> tuple[str, bool]:
    """Return the text of a value without control characters, cut to `max_length`, and whether it was changed."""
    if value is None:
        return "", False
    if not isinstance(value, str):
        return "", True
    stripped = value.strip()
    text = "".join(letter for letter in stripped if letter.isprintable())[:max_length]
    return text, text != stripped


def read_roles(value: object) -> Iterable[str]:
    """Return the roles in a list, or in a text with spaces or commas between."""
    if isinstance(value, str):
        return value.replace(",", " ").split()
    if isinstance(value, list | tuple):
        return [str(role) for role in value]
    return ()


def read_time(value: object) -> float | None:
    """Return seconds since the epoch for a time, a number of seconds, or a text in ISO 8601; None for anything else.

    A time without zone is in UTC, as Django stores it.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if 0 <= value <= _LATEST else None
    if isinstance(value, str):
        return _read_time_text(value.strip())
    return _seconds(value) if isinstance(value, datetime) else None


def _read_time_text(text: str) -> float | None:
    try:
        return _seconds(datetime.fromisoformat(text))
    except ValueError:
        try:
            return read_time(float(text))
        except ValueError:
            return None


def _seconds(moment: datetime) -> float | None:
    try:
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (OverflowError, ValueError):
        return None
    return seconds if 0 <= seconds <= _LATEST else None
