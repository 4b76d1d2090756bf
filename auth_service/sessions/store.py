"""The session store: what callers can rely on, and the values that it takes and returns.

SQL is the record. Every change is one statement that names what it expects to find, so that of two callers that race
for a row one succeeds and the other gets False or None. Nothing is read under a lock and written afterwards.
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from auth_service.accounts.user import User
from auth_service.events.account_events import EndReason
from auth_service.events.client import Client
from auth_service.sessions.refresh_policy import Decision, RefreshPolicy, SessionState, padded_access_expiry

MAX_LISTED = 1000
"""Sessions that are shown to their owner."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session as it was when it was read."""

    sid: str
    user_id: UUID
    state: SessionState


def new_session(user_id: UUID, now: float, lifetime: float, policy: RefreshPolicy) -> Session:
    """Return a session with a random `sid` that begins at `now` and ends after at most `lifetime` seconds."""
    state = SessionState(
        0,
        0,
        now,
        (),
        expires_at=now + lifetime,
        revoked_at=None,
        access_expires_at=padded_access_expiry(now, policy),
    )
    return Session(secrets.token_hex(16), user_id, state)


@dataclass(frozen=True, slots=True)
class ListedSession:
    """A live session as its owner sees it. Times are seconds since the epoch."""

    sid: str
    device: str
    address: str
    created_at: float
    last_used_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class EndedSession:
    """A session that ended at `ended_at`; no access token of it is valid after `access_expires_at`."""

    sid: str
    ended_at: float
    access_expires_at: float


@dataclass(frozen=True, slots=True)
class SessionWithUser:
    """A user's session, None if the user has no such session, and what access tokens say about the user."""

    session: Session | None
    email: str
    roles: str
    is_active: bool


@dataclass(frozen=True, slots=True)
class Refreshed:
    """The outcome of a refresh: the decision, the session after it, and what access tokens say about the user."""

    decision: Decision
    session: Session
    email: str
    roles: str


class HandleTaken(Exception):
    """Another session has the same handle."""


class SessionStore(Protocol):
    """Stored sessions. Times are seconds since the epoch.

    Every method raises StoreUnavailable while the database does not answer. A method that changes something commits;
    if it ends sessions, it records that in the audit trail in the same transaction and dispatches SessionEnded after
    the commit.
    """

    def open(
        self,
        session: Session,
        user: User,
        client: Client,
        *,
        max_sessions: int = 0,
        new_password_hash: str | None = None,
        handle_hash: str | None = None,
        replaces: str | None = None,
    ) -> bool:
        """Store a new session of `user`, whose password was verified, and dispatch LoggedIn.

        Return False and store nothing if the password was changed or the user deactivated or deleted since `user` was
        read. `new_password_hash` replaces an outdated hash. The session with the handle hash `replaces` ends, and so
        do the oldest sessions of a user who has more than `max_sessions` (0: no limit).
        Raises HandleTaken if another session has `handle_hash`; then nothing is stored.
        """

    def find(self, sid: str) -> Session | None:
        """Return the session `sid`, live or ended."""

    def find_by_handle(self, handle_hash: str) -> Session | None:
        """Return the session with this handle hash, live or ended."""

    def find_with_user(self, sid: str, user_id: UUID) -> SessionWithUser | None:
        """Return a user with the session `sid` if it is the user's; None if there is no such user."""

    def rotate_undisputed(self, sid: str, user_id: UUID, presented: int, now: float) -> Refreshed | None:
        """Rotate an active user's newest token in one statement, with the result of `decide` and `apply_decision`.

        Return None and change nothing if `presented` is not the newest generation or a grace time is running.
        """

    def replace(self, read: Session, changed: Session, now: float, *, end_reason: EndReason | None = None) -> bool:
        """Write `changed` if the stored session is still live and equal to `read`; return whether it was.

        `end_reason` is given if `changed` has ended and `read` had not.
        """

    def renew(self, sid: str, now: float) -> bool:
        """Restart the idle time of a session; return False if it has ended."""

    def raise_seen(self, seen: Iterable[tuple[str, int]]) -> None:
        """Raise the seen generation of each `sid`. It never falls, and never exceeds the session's generation."""

    def end(self, sid: str, now: float, reason: EndReason, *, owner: UUID | None = None) -> bool:
        """End a session; return False if it had ended, does not exist or is not the `owner`'s."""

    def end_all(self, user_id: UUID, now: float, reason: EndReason, *, keep: str | None = None) -> int:
        """End every session of a user but `keep` and return how many ended."""

    def live_sessions(self, user_id: UUID, now: float) -> Sequence[ListedSession]:
        """Return the user's live sessions, the most recently used first, at most MAX_LISTED."""

    def ended_sessions(self, at: float) -> Sequence[EndedSession]:
        """Return the ended sessions of which an access token may still be unexpired at `at`, the oldest first."""

    def prune(self, before: float, limit: int) -> int:
        """Delete at most `limit` sessions of which no token was valid after `before`; return how many."""
