"""Random histories of a session: no honest client's session ends, and every late use of a stolen token is noticed."""

from dataclasses import dataclass, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from auth_service.sessions.refresh_policy import (
    Ended,
    RefreshPolicy,
    ReissuePresented,
    ReissueSuccessor,
    Replay,
    Rotate,
    SessionState,
    apply_decision,
    decide,
)

GRACE = 10.0
POLICY = RefreshPolicy(grace=GRACE, confirm=True, idle_lifetime=10**9)
MOST_TABS = 4


@dataclass(frozen=True)
class Request:
    """A refresh request in transit: its token and the time when it was sent."""

    token: int
    sent_at: float


class Histories(RuleBasedStateMachine):
    """One browser with several tabs that share a stored token, on a network that loses responses."""

    @initialize()
    def log_in(self) -> None:
        self.now = 0.0
        self.state = SessionState(0, 0, 0.0, (), expires_at=10**9, revoked_at=None)
        self.stored = 0
        self.in_flight: list[Request] = []
        self.spent_since: dict[int, float] = {}
        self.seen_since: dict[int, float] = {}
        self.thief_came = False

    @rule(seconds=st.floats(0, 3) | st.sampled_from([GRACE - 0.1]))
    def time_passes(self, seconds: float) -> None:
        """No request takes as long as the grace time, by the definition of the grace time."""
        if not any(self.now + seconds - request.sent_at >= GRACE for request in self.in_flight):
            self.now += seconds

    @precondition(lambda self: not self.in_flight)
    @rule(seconds=st.floats(GRACE, 30 * 86_400))
    def days_pass(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: len(self.in_flight) < MOST_TABS)
    @rule()
    def a_tab_sends_its_token(self) -> None:
        self.in_flight.append(Request(self.stored, self.now))

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data(), arrives=st.booleans())
    def the_service_answers(self, data: st.DataObject, arrives: bool) -> None:
        """Responses arrive in any order; after a lost one the tab keeps its stored token."""
        request = self.in_flight.pop(data.draw(st.integers(0, len(self.in_flight) - 1)))
        served = self.present(request.token)
        if not self.thief_came:
            assert served is not None, f"an honest token of generation {request.token} was refused: {self.state}"
        if served is not None and arrives:
            self.stored = max(self.stored, served)

    @rule()
    def the_stored_token_is_used(self) -> None:
        """An access token of the same generation reaches a gateway, which reports it."""
        if self.state.revoked_at is None:
            self.see(self.stored)
            self.state = replace(self.state, seen_generation=max(self.state.seen_generation, self.stored))

    @precondition(lambda self: self.late_spoils())
    @rule(data=st.data())
    def a_thief_presents_a_spent_token(self, data: st.DataObject) -> None:
        """A token whose successor was seen, presented after the grace time: it is refused and ends the session."""
        stolen = data.draw(st.sampled_from(self.late_spoils()))
        self.thief_came = True
        assert self.present(stolen) is None
        assert self.state.revoked_at is not None
        assert decide(self.state, self.state.generation, self.now, POLICY) == Ended()

    @invariant()
    def the_bounds_hold(self) -> None:
        assert len(self.state.recent_rotations) <= 8
        assert self.state.seen_generation <= self.state.generation

    def late_spoils(self) -> list[int]:
        """Return the spent tokens whose grace time is over and whose successor was seen."""
        return [
            token
            for token, since in self.spent_since.items()
            if self.now - since >= GRACE and token + 1 in self.seen_since
        ]

    def present(self, token: int) -> int | None:
        """Return the generation of the token that is issued for `token`; None if it is refused."""
        decision = decide(self.state, token, self.now, POLICY)
        self.state = apply_decision(self.state, decision, self.now, POLICY)
        match decision:
            case Rotate():
                self.spent_since[token] = self.now
                self.see(token)
                return self.state.generation
            case ReissueSuccessor():
                if decision.restarts_grace:
                    self.spent_since[token] = self.now
                return self.state.generation
            case ReissuePresented():
                self.see(token)
                return token
            case _:
                assert isinstance(decision, Replay | Ended)
                return None

    def see(self, generation: int) -> None:
        self.seen_since.setdefault(generation, self.now)


Histories.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
TestHistories = Histories.TestCase
