"""Query parameters that select items of long lists."""

from collections.abc import Callable
from typing import TypeVar

from flask import request

from auth_service.api.errors import invalid_fields
from chassis.utc_time import parse_utc_time

WRONG_TIME = "Enter a date or a time, such as 2027-06-01 or 2027-06-01T12:00:00Z."
WRONG_ID = "Enter the id of a record."

_MAX_ID = 2**63 - 1

Value = TypeVar("Value")


def read_text(name: str) -> str:
    """Return a parameter without white space at its ends; empty if it is missing."""
    return request.args.get(name, "").replace("\0", "").strip()  # PostgreSQL has no text with NUL


def read_parameter(name: str, parse: Callable[[str], Value], wrong: str) -> Value | None:
    """Return a parameter; None if it is missing or empty. Raises ApiError(400) if `parse` raises ValueError."""
    text = read_text(name)
    if not text:
        return None
    try:
        return parse(text)
    except ValueError as error:
        raise invalid_fields({name: [wrong]}) from error


def record_id(text: str) -> int:
    """Return the id of a record, which fits in a column of the database. Raises ValueError."""
    number = int(text)
    if not 0 < number <= _MAX_ID:
        raise ValueError(text)
    return number


def point_in_time(text: str) -> float:
    """Return the seconds since the epoch of a date or a time. Raises ValueError."""
    return float(str(parse_utc_time(text)))
