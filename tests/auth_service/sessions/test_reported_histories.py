"""Random histories with usage reports that are late, repeated, reordered or lost, and random browser sessions."""

from dataclasses import dataclass, replace
from itertools import count

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from tests.auth_service.conftest import MakeApp
from tests.auth_service.forge import claims_of
from tests.auth_service.gateway_calls import Gateway
from tests.auth_service.sessions.test_refresh_histories import Histories
from tests.auth_service.world import Person
from tests.clocks import MovableClock

# The default limit raises from a signal handler. Hypothesis reports an example that is interrupted so, and then
# passes, as "Inconsistent data generation". Examples on a busy machine need more time.
pytestmark = pytest.mark.timeout(600)


class ReportedHistories(Histories):
    """Usage reports reach the service late, in any order, twice, or not at all.

    In every case honest clients stay logged in. A replay after the report of its successor is detected.
    """

    @initialize()
    def start_gateways(self) -> None:
        self.unreported: list[int] = []

    @rule()
    def the_stored_token_is_used(self) -> None:
        """Use the token at a gateway, which reports it in its next batch."""
        self.unreported.append(self.stored)

    @precondition(lambda self: self.unreported)
    @rule(data=st.data(), is_repeated=st.booleans())
    def a_report_arrives(self, data: st.DataObject, is_repeated: bool) -> None:
        generation = data.draw(st.sampled_from(self.unreported))
        if not is_repeated:
            self.unreported.remove(generation)
        # As RAISE_SEEN in storage/sessions/statements.py: never falls, never exceeds the row's generation.
        if self.state.seen_generation < generation <= self.state.generation:
            self.state = replace(self.state, seen_generation=generation)
        self.see(generation)

    @precondition(lambda self: self.unreported)
    @rule(data=st.data())
    def a_report_is_lost(self, data: st.DataObject) -> None:
        """Lose a report with the worker of the gateway that held it."""
        self.unreported.remove(data.draw(st.sampled_from(self.unreported)))


ReportedHistories.TestCase.settings = settings(max_examples=150, stateful_step_count=50)
TestReportedHistories = ReportedHistories.TestCase

IDLE, ABSOLUTE = 1000.0, 2600.0
"""The idle and the absolute lifetime of a session in seconds."""
RENEW_AFTER = 60.0
"""Seconds of use that the service need not record."""


@dataclass
class ExpectedSession:
    """The state that a browser session must have, as far as its requests determine it."""

    sid: str
    opened_at: float
    used_at: float
    has_ended: bool = False

    def must_live(self, now: float) -> bool:
        """Return whether it has not ended and cannot have expired: a use may be up to a minute unrecorded."""
        is_young = now - self.opened_at < ABSOLUTE
        return not self.has_ended and is_young and now - self.used_at < IDLE - RENEW_AFTER

    def must_have_ended(self, now: float) -> bool:
        """Return whether it has ended or expired."""
        return self.has_ended or now - self.used_at >= IDLE or now - self.opened_at >= ABSOLUTE


@pytest.fixture
def short_lived(make_app: MakeApp) -> FlaskClient:
    """A service with short session lifetimes, and a registered user."""
    client = make_app(REFRESH_TOKEN_LIFETIME=str(int(IDLE)), SESSION_LIFETIME=str(int(ABSOLUTE))).test_client()
    Person(client).register()
    return client


RUNS = count()
"""Numbers in the handles of an example: all examples share one database."""

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["open", "exchange", "exchange", "exchange", "end", "report"]),
        st.integers(0, 2),
        st.sampled_from([0.0, 1.0, 59.0, 60.0, 400.0, 939.0, 1000.0]),  # 939 s are just below IDLE - RENEW_AFTER
    ),
    min_size=4,
    max_size=14,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_a_browser_session_lives_while_it_is_used_and_ends_on_time(
    short_lived: FlaskClient, clock: MovableClock, steps: list[tuple[str, int, float]]
) -> None:
    """Exchanges, log-outs and usage reports come in any order. A report does not extend a session."""
    gateway, expected, run = Gateway(short_lived, clock), dict[str, ExpectedSession](), next(RUNS)
    for verb, number, seconds in steps:
        clock.move(seconds)
        handle = f"{run} {number}"
        session = expected.get(handle)
        match verb:
            case "open" if session is None:
                opened = gateway.open(handle)
                assert opened.json
                expected[handle] = ExpectedSession(claims_of(opened.json["access"])["sid"], clock(), clock())
            case "end":
                assert gateway.end(handle).status_code == 204
                if session:
                    session.has_ended = True
            case "report":
                sid = session.sid if session else "0" * 32
                assert gateway.report((sid, 0), (sid, 7)).status_code == 204
            case _:
                is_accepted = gateway.exchange(handle).status_code == 200
                assert is_accepted or session is None or not session.must_live(clock())
                assert not (is_accepted and (session is None or session.must_have_ended(clock())))
                if session and is_accepted:
                    session.used_at = clock()
                elif session:
                    session.has_ended = True  # a session that was refused once stays refused
