"""The refresh policy: what a presented refresh token gets. Pure functions of the session, the time and the policy.

A session counts its rotations in `generation`; its newest refresh token carries that number. `seen_generation` is the
highest number that a client has used: a newer token may never have arrived.

The decisions, in order; the first line that applies counts:

| presented                                                        | decision                          |
|------------------------------------------------------------------|-----------------------------------|
| any token of a session that has ended                            | Ended                             |
| any token after the newest one has expired                       | Expired                           |
| the newest token                                                 | Rotate                            |
| the newest token, after MAX_RECENT rotations in the grace time   | ReissueSame                       |
| the one before, while its successor is unseen (`confirm`)        | Reissue, the grace time restarts  |
| a token spent by a rotation in the grace time                    | Reissue                           |
| anything else                                                    | Replay (RFC 9700 4.14.2)          |
"""

from dataclasses import dataclass, replace

MAX_RECENT = 8
"""Rotations within the grace time. The next refresh gets the same token again, so that the list stays bounded."""

ACCESS_EXPIRY_PADDING = 60.0
"""Seconds that `access_expires_at` is raised beyond its need, so that not every new access token is a write."""


@dataclass(frozen=True, slots=True)
class RefreshPolicy:
    """Durations in seconds. A `grace` of 0 without `confirm` refuses every spent token at once."""

    grace: float
    confirm: bool
    idle_lifetime: float
    access_lifetime: float = 0
    """The longest lifetime of a new access token."""


@dataclass(frozen=True, slots=True)
class SessionState:
    """The columns of a session that the policy reads and writes. Times are seconds since the epoch.

    The last of `recent_rotations` is the time of the last rotation, or of the last restart of its grace time.
    """

    generation: int
    seen_generation: int
    rotated_at: float
    recent_rotations: tuple[float, ...]
    expires_at: float
    revoked_at: float | None
    access_expires_at: float = 0
    """No access token of the session is valid after it, whatever the settings were when the token was issued."""

    @property
    def successor_is_unseen(self) -> bool:
        """Return whether no client has used the newest tokens yet."""
        return self.seen_generation < self.generation

    def recent(self, now: float, grace: float) -> tuple[float, ...]:
        """Return the rotations within the grace time, the newest last."""
        return tuple(rotated_at for rotated_at in self.recent_rotations if max(now - rotated_at, 0) < grace)

    def tokens_expire_at(self, idle_lifetime: float) -> float:
        """Return when the newest refresh token expires: by idle time or by the session's end, whichever is sooner."""
        return min(self.rotated_at + idle_lifetime, self.expires_at)

    def is_live(self, now: float, idle_lifetime: float) -> bool:
        """Return whether the session has neither ended nor expired."""
        return self.revoked_at is None and now < self.tokens_expire_at(idle_lifetime)


@dataclass(frozen=True, slots=True)
class Rotate:
    """Issue the next generation."""


@dataclass(frozen=True, slots=True)
class Reissue:
    """Issue the existing successor again."""

    restarts_grace: bool


@dataclass(frozen=True, slots=True)
class ReissueSame:
    """Issue the presented token again."""


@dataclass(frozen=True, slots=True)
class Replay:
    """Refuse a spent token and end the session: two parties hold the token (RFC 9700 4.14.2)."""


@dataclass(frozen=True, slots=True)
class Ended:
    """Refuse: the session has ended."""


@dataclass(frozen=True, slots=True)
class Expired:
    """Refuse: the session or its newest token has expired."""


Decision = Rotate | Reissue | ReissueSame | Replay | Ended | Expired


def decide(state: SessionState, presented: int, now: float, policy: RefreshPolicy) -> Decision:
    """Return what a refresh token of generation `presented` gets at `now`, by the table above."""
    recent = state.recent(now, policy.grace)
    rotations_since = state.generation - presented
    if state.revoked_at is not None:
        return Ended()
    if now >= state.tokens_expire_at(policy.idle_lifetime):
        return Expired()
    if rotations_since == 0 and len(recent) < MAX_RECENT:
        return Rotate()
    if rotations_since == 0:
        return ReissueSame()
    if rotations_since == 1 and policy.confirm and state.successor_is_unseen:
        return Reissue(restarts_grace=True)
    if 0 < rotations_since <= len(recent):
        return Reissue(restarts_grace=False)
    return Replay()


def apply_decision(state: SessionState, decision: Decision, now: float, policy: RefreshPolicy) -> SessionState:
    """Return the state after `decision`; `state` itself if nothing is to be written."""
    if isinstance(decision, Rotate | Reissue | ReissueSame):
        state = _with_access_token(state, now, policy)
    match decision:
        case Rotate():
            return replace(
                state,
                generation=state.generation + 1,
                seen_generation=state.generation,  # a client that presents a token has received it
                rotated_at=now,
                recent_rotations=(*state.recent(now, policy.grace), now),
            )
        case Reissue(restarts_grace=True):
            # Without the restart, browser tabs that wake up together days later would end their own session.
            return replace(state, recent_rotations=(*state.recent_rotations[:-1], now))
        case ReissueSame():
            return replace(state, seen_generation=state.generation)
        case Replay():
            return replace(state, revoked_at=now)
        case _:
            return state


def _with_access_token(state: SessionState, now: float, policy: RefreshPolicy) -> SessionState:
    """Return the state with an `access_expires_at` that no access token issued at `now` outlives."""
    if state.access_expires_at >= now + policy.access_lifetime:
        return state
    return replace(state, access_expires_at=padded_access_expiry(now, policy))


def padded_access_expiry(now: float, policy: RefreshPolicy) -> float:
    """Return an `access_expires_at` for a token issued at `now`, with ACCESS_EXPIRY_PADDING."""
    return now + policy.access_lifetime + ACCESS_EXPIRY_PADDING


def oldest_redeemable(state: SessionState, policy: RefreshPolicy, now: float) -> int:
    """Return the generation below which every refresh token of this session is spent, now and later."""
    kept = max(len(state.recent(now, policy.grace)), 1 if policy.confirm else 0)
    return max(state.generation - kept, 0)
