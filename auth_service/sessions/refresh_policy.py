"""Decides what a presented refresh token gets: its successor, the same again, or the end of its session.

Pure: a function of the session's row, the generation that was presented, the time and the policy.

A session counts its rotations in `generation`; its newest refresh token carries that number. `seen_generation` is the
highest number that somebody was seen to use, so a successor that is still unseen may never have arrived.
"""

from dataclasses import dataclass, replace

MAX_RECENT = 8
"""A ninth rotation inside the grace time re-issues instead, so that the list of them stays bounded."""

COVER_SLACK = 60.0
"""Seconds by which `access_expires_at` is raised beyond its need: issuing again within them writes nothing."""


@dataclass(frozen=True, slots=True)
class RefreshPolicy:
    """Durations in seconds. Grace 0 with `confirm` off is the strict mode: what is spent is refused at once."""

    grace: float
    confirm: bool
    idle_lifetime: float
    access_lifetime: float = 0
    """At most so long an access token lives that is issued now."""


@dataclass(frozen=True, slots=True)
class SessionState:
    """What a session's row says of its rotations. Moments are seconds since the epoch.

    The last of `recent_rotations` is the time of the last rotation, or of the last time its grace was restarted.
    """

    generation: int
    seen_generation: int
    rotated_at: float
    recent_rotations: tuple[float, ...]
    expires_at: float
    revoked_at: float | None
    access_expires_at: float = 0
    """No access token of the session is good after it, whatever the lifetime was when that token was issued."""

    @property
    def successor_is_unseen(self) -> bool:
        """Whether nobody has used the newest tokens yet."""
        return self.seen_generation < self.generation

    def recent(self, now: float, grace: float) -> tuple[float, ...]:
        """The rotations still inside the grace time, newest last."""
        return tuple(moment for moment in self.recent_rotations if max(now - moment, 0) < grace)

    def tokens_expire_at(self, idle_lifetime: float) -> float:
        """When the newest refresh token ends: idle expiry, or the session's absolute end, whichever is sooner."""
        return min(self.rotated_at + idle_lifetime, self.expires_at)

    def is_live(self, now: float, idle_lifetime: float) -> bool:
        """Whether the session has neither been ended nor outlived its time."""
        return self.revoked_at is None and now < self.tokens_expire_at(idle_lifetime)


@dataclass(frozen=True, slots=True)
class Rotate:
    """Move on to the next generation."""


@dataclass(frozen=True, slots=True)
class Reissue:
    """Hand out the successor that exists already; where it was never seen in use, its grace starts again."""

    restarts_grace: bool


@dataclass(frozen=True, slots=True)
class ReissueSame:
    """Hand out the very token that was presented: there were too many rotations for another one now."""


@dataclass(frozen=True, slots=True)
class Replay:
    """A spent token came back: somebody holds a copy. The session ends (RFC 9700 4.14.2)."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The session was ended before."""


@dataclass(frozen=True, slots=True)
class Expired:
    """The session, or its newest token, has outlived its time."""


Decision = Rotate | Reissue | ReissueSame | Replay | Ended | Expired


def decide(state: SessionState, presented: int, now: float, policy: RefreshPolicy) -> Decision:
    """What a refresh token of generation `presented` gets at `now`. The first line that fits counts."""
    recent = state.recent(now, policy.grace)
    spent_by = state.generation - presented
    if state.revoked_at is not None:
        return Ended()
    if now >= state.tokens_expire_at(policy.idle_lifetime):
        return Expired()
    if spent_by == 0 and len(recent) < MAX_RECENT:
        return Rotate()
    if spent_by == 0:
        return ReissueSame()
    if spent_by == 1 and policy.confirm and state.successor_is_unseen:
        return Reissue(restarts_grace=True)
    if 0 < spent_by <= len(recent):
        return Reissue(restarts_grace=False)
    return Replay()


def after(state: SessionState, decision: Decision, now: float, policy: RefreshPolicy) -> SessionState:
    """What the row says once `decision` is carried out; `state` itself where nothing is to be written."""
    if isinstance(decision, Rotate | Reissue | ReissueSame):
        state = _covering_a_token(state, now, policy)
    match decision:
        case Rotate():
            return replace(
                state,
                generation=state.generation + 1,
                seen_generation=state.generation,  # to present a token is to have received it
                rotated_at=now,
                recent_rotations=(*state.recent(now, policy.grace), now),
            )
        case Reissue(restarts_grace=True):
            # Without the restart, tabs that wake up together days later would end their own session.
            return replace(state, recent_rotations=(*state.recent_rotations[:-1], now))
        case ReissueSame():
            return replace(state, seen_generation=state.generation)
        case Replay():
            return replace(state, revoked_at=now)
        case _:
            return state


def _covering_a_token(state: SessionState, now: float, policy: RefreshPolicy) -> SessionState:
    """The state in which an access token issued at `now` is accounted for; `state` itself where it is already."""
    if state.access_expires_at >= now + policy.access_lifetime:
        return state
    return replace(state, access_expires_at=covering(now, policy))


def covering(now: float, policy: RefreshPolicy) -> float:
    """An `access_expires_at` that covers a token issued at `now`, with slack, so that it seldom moves."""
    return now + policy.access_lifetime + COVER_SLACK


def oldest_redeemable(state: SessionState, policy: RefreshPolicy, now: float) -> int:
    """The generation below which every refresh token of this session is spent for good, now and later."""
    kept = max(len(state.recent(now, policy.grace)), 1 if policy.confirm else 0)
    return max(state.generation - kept, 0)
