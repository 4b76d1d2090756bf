"""Random histories of a session: honest clients stay logged in, and a late use of a stolen token ends the session."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from auth_service.sessions.refresh_policy import (
    MAX_RECENT,
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

# The default limit raises from a signal handler. Hypothesis reports an example that is interrupted so, and then
# passes, as "Inconsistent data generation". Examples on a busy machine need more time.
pytestmark = pytest.mark.timeout(600)

GRACE = 10.0
POLICY = RefreshPolicy(grace=GRACE, confirm=True, idle_lifetime=10**9)
MAX_TABS = 4


@dataclass(frozen=True)
class Request:
    """A refresh request in transit: the generation of its token, and the time when it was sent."""

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
        # When each generation was first used (or its grace restarted), and when it was first seen by the service.
        self.used_since: dict[int, float] = {}
        self.seen_since: dict[int, float] = {}
        self.has_thief_come = False

    @rule(seconds=st.floats(0, 3) | st.sampled_from([GRACE - 0.1]))
    def time_passes(self, seconds: float) -> None:
        """Let time pass. No request takes as long as the grace time: an operator sets the grace time accordingly."""
        if not any(self.now + seconds - request.sent_at >= GRACE for request in self.in_flight):
            self.now += seconds

    @precondition(lambda self: not self.in_flight)
    @rule(seconds=st.floats(GRACE, 30 * 86_400))
    def days_pass(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: len(self.in_flight) < MAX_TABS)
    @rule()
    def a_tab_sends_its_token(self) -> None:
        self.in_flight.append(Request(self.stored, self.now))

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data(), arrives=st.booleans())
    def the_service_responds(self, data: st.DataObject, arrives: bool) -> None:
        """Respond to any request. If the response is lost, the tabs keep their stored token."""
        request = self.in_flight.pop(data.draw(st.integers(0, len(self.in_flight) - 1)))
        issued = self.present(request.token)
        if not self.has_thief_come:
            assert issued is not None, f"an honest token of generation {request.token} was refused: {self.state}"
        if issued is not None and arrives:
            self.stored = max(self.stored, issued)

    @rule()
    def the_stored_token_is_used(self) -> None:
        """Use an access token of the same generation at a gateway, which reports it."""
        if self.state.revoked_at is None:
            self.see(self.stored)
            self.state = replace(self.state, seen_generation=max(self.state.seen_generation, self.stored))

    @precondition(lambda self: self.tokens_for_a_replay())
    @rule(data=st.data())
    def a_thief_presents_a_used_token(self, data: st.DataObject) -> None:
        """Present a token whose successor was seen, after its grace time: it is refused, and the session ends."""
        stolen = data.draw(st.sampled_from(self.tokens_for_a_replay()))
        self.has_thief_come = True
        assert self.present(stolen) is None
        assert self.state.revoked_at is not None
        assert decide(self.state, self.state.generation, self.now, POLICY) == Ended()

    @invariant()
    def rotations_and_seen_generation_stay_within_their_limits(self) -> None:
        assert len(self.state.recent_rotations) <= MAX_RECENT
        assert self.state.seen_generation <= self.state.generation

    def tokens_for_a_replay(self) -> list[int]:
        """Return the used tokens whose grace time is over and whose successor was seen."""
        return [
            token
            for token, since in self.used_since.items()
            if self.now - since >= GRACE and token + 1 in self.seen_since
        ]

    def present(self, token: int) -> int | None:
        """Return the generation of the token that is issued for `token`; None if it is refused."""
        decision = decide(self.state, token, self.now, POLICY)
        self.state = apply_decision(self.state, decision, self.now, POLICY)
        match decision:
            case Rotate():
                self.used_since[token] = self.now
                self.see(token)
                return self.state.generation
            case ReissueSuccessor():
                if decision.restarts_grace:
                    self.used_since[token] = self.now
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
