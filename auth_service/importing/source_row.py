"""The rows of a source: the fields of one user under the names of this service, unchecked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

FIELDS = (
    "id",
    "email",
    "password_hash",
    "first_name",
    "last_name",
    "roles",
    "is_active",
    "status",
    "created_at",
    "last_login_at",
    "email_verified_at",
    "language",
)
"""The fields of a row. Only `id` and `email` are required."""


@dataclass(frozen=True, slots=True, repr=False)
class SourceRow:
    """One user of the source. `number` counts rows from 1, or is a line of a file.

    `fields` has any of FIELDS, with the values that the source has: text, numbers, times, None.
    """

    number: int
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class UnreadableRow:
    """A row that could not be read at all, such as a line that is not JSON."""

    number: int
    reason: str


class SourceError(Exception):
    """The source cannot be read: the text says what is wrong and what to do."""


class Source(Protocol):
    """Users of another system."""

    def count(self) -> int | None:
        """Return the number of rows, for the progress; None if counting takes too long."""

    def rows(self) -> Iterator[SourceRow | UnreadableRow]:
        """Yield the rows in a fixed order. Raises SourceError."""


@dataclass(frozen=True, slots=True)
class BlacklistedToken:
    """The `jti` of a refresh token that the other system has blacklisted, and its expiry (epoch seconds)."""

    jti: str
    expires_at: float


class TokenSource(Protocol):
    """Blacklisted refresh tokens of another system."""

    def blacklisted_tokens(self, now: float) -> Iterator[BlacklistedToken]:
        """Yield the blacklisted tokens that expire after `now`. Raises SourceError."""
