"""Tokens of another system that clients still have: the session that each is exchanged for, and their store."""

import hashlib
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from auth_service.events.client import Client
from auth_service.sessions.store import Session


def foreign_sid(token_type: str, jti: str) -> str:
    """Return the id of the session for a token, by its `jti`: the same for every request that presents it.

    Parallel requests and a request after a lost answer therefore get one session.
    """
    return hashlib.sha256(f"simplejwt {token_type} {jti}".encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class ForeignToken:
    """A verified token of another system, issued for the user `user_key` of `source`. Times are epoch seconds."""

    token_type: str
    jti: str
    source: str
    user_key: str
    issued_at: float
    expires_at: float

    @property
    def sid(self) -> str:
        """Return the id of the token's session."""
        return foreign_sid(self.token_type, self.jti)


class ForeignTokenStore(Protocol):
    """The tokens that were exchanged or blacklisted, and the users they belong to.

    Every method raises StoreUnavailable while the database does not answer.
    """

    def find_user(self, token: ForeignToken) -> UUID | None:
        """Return the id of the token's user; None if the user was not imported."""

    def is_refused(self, token: ForeignToken) -> bool:
        """Return whether the token was exchanged or blacklisted, or issued before its user's sessions were ended."""

    def open(self, token: ForeignToken, session: Session, client: Client, *, is_recorded: bool) -> bool:
        """Store the session for a token, in one transaction.

        Return False and store nothing if the token is refused or its user is not active. If `is_recorded`, dispatch
        SessionMovedIn.
        """

    def prune(self, before: float, limit: int) -> int:
        """Delete at most `limit` tokens that expired before `before` (epoch seconds); return how many."""
