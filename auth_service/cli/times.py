"""Options that are a date or a time."""

from collections.abc import Callable
from typing import Any

import click

from chassis.utc_time import parse_utc_time


def time_option(name: str, text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return an option whose value is in seconds since the epoch; None without it."""
    return click.option(name, callback=_time, help=text)


def _time(_: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    """Return the seconds since the epoch of a date or a time. Exit with 2 if it is none."""
    try:
        return float(str(parse_utc_time(text))) if text else None
    except ValueError as error:
        raise click.BadParameter(str(error), param=parameter) from error
