"""The interface of the store into which users are imported and from which they are exported."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from auth_service.accounts.foreign_hashes.decoys import HashSample
from auth_service.accounts.user import AccountStatus
from auth_service.importing.batch import BatchResult
from auth_service.importing.imported_user import ImportedUser
from auth_service.importing.source_row import BlacklistedToken


@dataclass(frozen=True, slots=True, repr=False)
class ExportedUser:
    """A user as it is exported. Times are seconds since the epoch.

    `imported_from` are pairs of a source and the id in it.
    """

    user_id: str
    email: str
    password_hash: str
    first_name: str
    last_name: str
    roles: str
    status: AccountStatus
    created_at: float
    last_login_at: float | None
    email_verified_at: float | None
    language: str
    imported_from: Sequence[tuple[str, str]] = ()


class ImportStore(Protocol):
    """Stores imported users, and which users of a source it has.

    Every method raises StoreUnavailable while the database does not answer.
    """

    def import_batch(
        self, source: str, users: Sequence[ImportedUser], now: float, *, is_dry_run: bool
    ) -> BatchResult:
        """Store users in one transaction, and that they come from `source`. A dry run stores nothing.

        A user that was imported before is left as it is, also if it was changed or deleted since.
        """

    def add_blacklisted_tokens(self, tokens: Sequence[BlacklistedToken]) -> int:
        """Store blacklisted refresh tokens in one transaction. Return how many were new."""

    def hash_sample(self, size: int) -> HashSample:
        """Return the hashes of at most `size` imported users, chosen at random but always the same."""

    def exported_users(self) -> Iterator[ExportedUser]:
        """Yield every user in the order of the ids."""
