"""Points in time in settings, such as 2027-06-01 or 2027-06-01T12:00:00Z."""

from datetime import UTC, datetime


def parse_utc_time(value: object) -> object:
    """Return the seconds since the epoch for a date or a time in ISO 8601, in UTC if it has no zone.

    A value that is not text is returned as it is. Raises ValueError.
    """
    if not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("must be a date or a time, such as 2027-06-01 or 2027-06-01T12:00:00Z") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
