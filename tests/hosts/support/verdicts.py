"""What every fault must leave intact."""

from tests.faults.support.figures import AddFigure
from tests.hosts.support.traffic import SESSIONS, Traffic


def assert_sessions_are_intact(traffic: Traffic, add_figure: AddFigure) -> None:
    """Assert that no session was logged out, and that no spent token and no ended session is accepted again."""
    verdict = traffic.verdict()
    add_figure(
        f"logged out: {verdict.logged_out} of {verdict.sessions}; accepted again: {verdict.revived} of"
        f" {verdict.spent_tokens} spent tokens and {verdict.ended_sessions} ended sessions"
    )
    assert verdict.logged_out == 0
    assert verdict.revived == 0
    assert verdict.spent_tokens >= SESSIONS / 2
    assert verdict.ended_sessions > 0
