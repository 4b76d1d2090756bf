"""The refresh policy: pure functions that decide on a presented refresh token.

A session counts its rotations in `generation`. Its newest refresh token contains that number; a token with a lower
number is a used one. `seen_generation` is the highest generation that a client has presented: a newer token may have
been lost on its way to the client.

The decisions, in order; the first row that applies decides:

| case                                                                | decision                               |
|---------------------------------------------------------------------|----------------------------------------|
| the session has ended                                               | Ended                                  |
| the newest refresh token of the session has expired                 | Expired                                |
| the newest token, with fewer than MAX_RECENT rotations in grace     | Rotate                                 |
| the newest token, with MAX_RECENT rotations in grace                | ReissuePresented                       |
| the token before the newest, while the newest is unseen (`confirm`) | ReissueSuccessor, restarts the grace   |
| a used token whose rotation is in grace                             | ReissueSuccessor                       |
| a token that is newer than the session, issued before `restored_at` | RotateNewer                            |
| any other token                                                     | Replay (RFC 9700 4.14.2)               |

A rotation is "in grace" while it is less than `grace` seconds old.
"""

from dataclasses import dataclass, replace

MAX_RECENT = 8
"""Maximum number of rotations in grace. It limits the length of `recent_rotations`."""

ACCESS_EXPIRY_PADDING = 60.0
"""Seconds that are added to `access_expires_at`, so that not every new access token has to write it."""


@dataclass(frozen=True, slots=True)
class RefreshPolicy:
    """The settings of the policy. Durations are in seconds.

    `confirm` keeps a used token valid until its successor is seen. Without it, a `grace` of 0 refuses every used
    token.
    """

    grace: float
    confirm: bool
    idle_lifetime: float
    access_lifetime: float = 0
    """The longest lifetime of a new access token, in seconds."""
    restored_at: float = 0
    """When the database was restored from a backup (epoch seconds). Older tokens may be newer than their session."""


@dataclass(frozen=True, slots=True)
class SessionState:
    """The columns of a session that the policy reads and writes. Times are seconds since the epoch.

    In a browser session, which has no rotations, `rotated_at` is the time of the last recorded use.
    """

    generation: int
    seen_generation: int
    rotated_at: float
    """The time of the last rotation, or of the log-in."""
    recent_rotations: tuple[float, ...]
    """The times of the last rotations, the newest last. A restart of the grace time replaces the newest one."""
    expires_at: float
    """The absolute end of the session."""
    revoked_at: float | None
    """The time at which the session was ended; None if it was not."""
    access_expires_at: float = 0
    """By then every access token of the session has expired, also those that were issued under earlier settings."""

    @property
    def is_newest_unseen(self) -> bool:
        """Return whether no client has presented a token of the newest generation yet."""
        return self.seen_generation < self.generation

    def rotations_in_grace(self, now: float, grace: float) -> tuple[float, ...]:
        """Return the times of the rotations less than `grace` seconds ago, the newest last."""
        # max: a rotation by a worker whose clock is ahead lies in the future, and a `grace` of 0 must exclude it too.
        return tuple(rotated_at for rotated_at in self.recent_rotations if max(now - rotated_at, 0) < grace)

    def tokens_expire_at(self, idle_lifetime: float) -> float:
        """Return when the newest refresh token expires: after the idle time, at the session's end at the latest."""
        return min(self.rotated_at + idle_lifetime, self.expires_at)

    def is_live(self, now: float, idle_lifetime: float) -> bool:
        """Return whether the session has neither ended nor expired."""
        return self.revoked_at is None and now < self.tokens_expire_at(idle_lifetime)


@dataclass(frozen=True, slots=True)
class Rotate:
    """Issue a token of the next generation."""


@dataclass(frozen=True, slots=True)
class RotateNewer:
    """Issue a token of the generation after `presented`, which was issued after the backup of the session."""

    presented: int


@dataclass(frozen=True, slots=True)
class ReissueSuccessor:
    """Issue the newest refresh token, which has replaced the presented one."""

    restarts_grace: bool
    """Whether the grace time of the newest rotation begins again."""


@dataclass(frozen=True, slots=True)
class ReissuePresented:
    """Issue the presented token again, without a rotation."""


@dataclass(frozen=True, slots=True)
class Replay:
    """Refuse a used token and end the session: two parties have the token (RFC 9700 4.14.2)."""


@dataclass(frozen=True, slots=True)
class Ended:
    """Refuse the token: its session has ended."""


@dataclass(frozen=True, slots=True)
class Expired:
    """Refuse the token: its session or the newest token of the session has expired."""


Decision = Rotate | RotateNewer | ReissueSuccessor | ReissuePresented | Replay | Ended | Expired


def decide(
    state: SessionState, presented: int, now: float, policy: RefreshPolicy, *, issued_at: float | None = None
) -> Decision:
    """Return the decision on a refresh token of generation `presented` at `now`, by the table above.

    `issued_at` is the time of issue in the token; None if it has none.
    """
    in_grace = len(state.rotations_in_grace(now, policy.grace))
    rotations_since = state.generation - presented
    if state.revoked_at is not None:
        return Ended()
    if now >= state.tokens_expire_at(policy.idle_lifetime):
        return Expired()
    if rotations_since == 0 and in_grace < MAX_RECENT:
        return Rotate()
    if rotations_since == 0:
        return ReissuePresented()
    if rotations_since == 1 and policy.confirm and state.is_newest_unseen:
        return ReissueSuccessor(restarts_grace=True)
    if 0 < rotations_since <= in_grace:
        return ReissueSuccessor(restarts_grace=False)
    if rotations_since < 0 and issued_at is not None and issued_at < policy.restored_at:
        return RotateNewer(presented)
    return Replay()


def apply_decision(state: SessionState, decision: Decision, now: float, policy: RefreshPolicy) -> SessionState:
    """Return the state after `decision`; `state` itself if there is nothing to write."""
    if isinstance(decision, Rotate | RotateNewer | ReissueSuccessor | ReissuePresented):
        state = _with_access_token(state, now, policy)
    match decision:
        case Rotate():
            return _rotated(state, state.generation, now, policy)
        case RotateNewer(presented):
            # The rotations between are unknown: their tokens are used ones, and none of them is in grace.
            return _rotated(replace(state, recent_rotations=()), presented, now, policy)
        case ReissueSuccessor(restarts_grace=True):
            # Days later, several browser tabs may present the same token at once. Without the restart,
            # the first use of the new token would make the requests of the other tabs replays.
            return replace(state, recent_rotations=(*state.recent_rotations[:-1], now))
        case ReissuePresented():
            return replace(state, seen_generation=state.generation)
        case Replay():
            return replace(state, revoked_at=now)
        case _:
            return state


def _rotated(state: SessionState, presented: int, now: float, policy: RefreshPolicy) -> SessionState:
    return replace(
        state,
        generation=presented + 1,
        seen_generation=presented,  # the client has received the token that it presents
        rotated_at=now,
        recent_rotations=(*state.rotations_in_grace(now, policy.grace), now),
    )


def _with_access_token(state: SessionState, now: float, policy: RefreshPolicy) -> SessionState:
    """Return the state with an `access_expires_at` that covers an access token issued at `now`."""
    if state.access_expires_at >= now + policy.access_lifetime:
        return state
    return replace(state, access_expires_at=padded_access_expiry(now, policy))


def padded_access_expiry(now: float, policy: RefreshPolicy) -> float:
    """Return an `access_expires_at` that covers a token issued at `now`, plus ACCESS_EXPIRY_PADDING."""
    return now + policy.access_lifetime + ACCESS_EXPIRY_PADDING


def lowest_valid_generation(state: SessionState, policy: RefreshPolicy, now: float) -> int:
    """Return the lowest generation whose refresh token may still be valid at `now` or later."""
    valid_used_tokens = max(len(state.rotations_in_grace(now, policy.grace)), 1 if policy.confirm else 0)
    return max(state.generation - valid_used_tokens, 0)
