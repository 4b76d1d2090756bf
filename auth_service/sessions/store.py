"""The interface of the session store, and the values that it takes and returns.

SQL is the source of truth. A session is changed by one conditional statement (compare and set). If two callers change
one session at the same time, one succeeds and the other gets False or None. No lock is held between a read and a
write.
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
"""Sessions that a list contains at most."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session, as it was stored when it was read."""

    sid: str
    user_id: UUID
    state: SessionState


def new_session(user_id: UUID, now: float, lifetime: float, policy: RefreshPolicy) -> Session:
    """Return a session with a random `sid` that begins at `now` and ends after at most `lifetime` seconds."""
    state = SessionState(
        generation=0,
        seen_generation=0,
        rotated_at=now,
        recent_rotations=(),
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
class OwnedSession:
    """A live session with its user, as staff see it."""

    session: ListedSession
    user_id: UUID
    email: str


@dataclass(frozen=True, slots=True)
class SessionRevocation:
    """The revocation of a session. Its access tokens expire by `access_expires_at`. Times are epoch seconds."""

    sid: str
    ended_at: float
    access_expires_at: float


@dataclass(frozen=True, slots=True)
class SessionWithUser:
    """A user, with the requested `session` if it belongs to the user, else None."""

    session: Session | None
    user: User


@dataclass(frozen=True, slots=True)
class RefreshResult:
    """The result of a refresh: the decision, the session after it, and the user's e-mail address and roles."""

    decision: Decision
    session: Session
    email: str
    roles: str


class HandleTaken(Exception):
    """Another session has this handle."""


class SessionStore(Protocol):
    """Stored sessions. Times are seconds since the epoch.

    Every method raises StoreUnavailable while the database does not answer. Every method that changes data commits.
    If it ends sessions, it adds audit records in the same transaction and dispatches SessionEnded after the commit.
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
        Raises HandleTaken if another session has `handle_hash`; then no session is stored or ended.
        """

    def find(self, sid: str) -> Session | None:
        """Return the session `sid`, live or ended."""

    def find_by_handle(self, handle_hash: str) -> Session | None:
        """Return the session with this handle hash, live or ended."""

    def find_with_user(self, sid: str, user_id: UUID) -> SessionWithUser | None:
        """Return the user, with the session `sid` if it belongs to the user; None if there is no such user."""

    def try_rotate(self, sid: str, user_id: UUID, presented: int, now: float) -> RefreshResult | None:
        """Rotate a refresh token in one statement if the policy allows it and no rotation is in grace.

        Return the result that `decide` and `apply_decision` have, or None if nothing was changed. It is None for a
        token that is not the newest, for an ended or expired session and for an inactive user too.
        """

    def replace(self, read: Session, changed: Session, now: float, *, end_reason: EndReason | None = None) -> bool:
        """Store `changed` if the session still has the generations of `read`, else return False.

        Return False also if it has ended or is past its absolute end. `end_reason` is the reason if this ends it.
        """

    def renew(self, sid: str, now: float) -> bool:
        """Restart the idle time of a session; return False if it has ended or is past its absolute end."""

    def raise_seen_generations(self, seen: Iterable[tuple[str, int]]) -> None:
        """Raise the seen generation of each `sid`. It never falls, and never exceeds the session's generation."""

    def end(self, sid: str, now: float, reason: EndReason, *, owner: UUID | None = None) -> bool:
        """End a session; return False if it has ended before, does not exist or does not belong to `owner`."""

    def end_all(self, user_id: UUID, now: float, reason: EndReason, *, keep: str | None = None) -> int:
        """End every session of a user except `keep`; return how many ended."""

    def live_sessions(self, user_id: UUID, now: float) -> Sequence[ListedSession]:
        """Return the user's live sessions, the most recently used first, at most MAX_LISTED."""

    def newest_live(self, now: float, *, address: str = "", offset: int, limit: int) -> Sequence[OwnedSession]:
        """Return at most `limit` live sessions of all users, the newest log-in first, after the first `offset`.

        With `address`, only sessions whose log-in came from this IP address.
        """

    def count_live(self, now: float) -> int:
        """Return how many sessions of all users are live."""

    def authenticated_at(self, sid: str) -> float:
        """Return when the user last entered the password in a session; 0.0 if never, or if there is no session."""

    def record_authentication(self, sid: str, user_id: UUID, now: float) -> bool:
        """Store that the user entered the password in the session, and dispatch Reauthenticated.

        Return False and change nothing if the session has ended or belongs to another user.
        """

    def unexpired_revocations(self, at: float) -> Sequence[SessionRevocation]:
        """Return the revocations of sessions whose access tokens may be unexpired at `at`, the oldest first."""

    def prune(self, before: float, limit: int) -> int:
        """Delete at most `limit` sessions whose tokens all expired before `before`; return how many."""
