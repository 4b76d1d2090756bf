"""Owns how a moment is written in answers: RFC 3339, in UTC, to the millisecond."""

from datetime import UTC, datetime


def rfc3339(moment: float) -> str:
    """`moment`, in seconds since the epoch, as 2026-11-23T19:08:00.000Z."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
