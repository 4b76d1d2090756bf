"""Refresh a session: read it, decide, and write the result if the session has not changed meanwhile."""

from dataclasses import replace
from uuid import UUID

from auth_service.events.account_events import EndReason
from auth_service.sessions.refresh_policy import RefreshPolicy, Replay, apply_decision, decide
from auth_service.sessions.store import RefreshResult, SessionStore

_MAX_ATTEMPTS = 32
"""Attempts before RefreshConflict. An attempt fails if another request changes the session meanwhile."""


class NoActiveAccount(Exception):
    """The session's user is deactivated or deleted."""

    def __init__(self, *, is_deleted: bool) -> None:
        super().__init__()
        self.is_deleted = is_deleted


class RefreshConflict(Exception):
    """Another request changed the session during every attempt. Nothing was written; the client may retry."""


def refresh_session(
    store: SessionStore,
    policy: RefreshPolicy,
    sid: str,
    user_id: UUID,
    presented: int,
    now: float,
    *,
    issued_at: float | None = None,
) -> RefreshResult | None:
    """Refresh the session `sid` with a token of generation `presented` that was issued at `issued_at`.

    Return the decision and the session after it; None if the user has no such session.
    Raises NoActiveAccount, RefreshConflict or StoreUnavailable.
    """
    for _ in range(_MAX_ATTEMPTS):
        found = store.find_with_user(sid, user_id)
        if found is None or not found.user.is_active:
            raise NoActiveAccount(is_deleted=found is None)
        session = found.session
        if session is None:
            return None
        decision = decide(session.state, presented, now, policy, issued_at=issued_at)
        changed = replace(session, state=apply_decision(session.state, decision, now, policy))
        end_reason = EndReason.REPLAY if isinstance(decision, Replay) else None
        if changed == session or store.replace(session, changed, now, end_reason=end_reason):
            return RefreshResult(decision, changed, found.user.email, found.user.roles)
    raise RefreshConflict
