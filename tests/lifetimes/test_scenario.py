"""The lives depend on their seed alone, so that a failure can be played again. All steps and faults occur."""

import json

from tests.lifetimes.scenario import lives


def test_a_life_depends_on_the_seed_and_its_number_alone() -> None:
    """Also if it is played alone, and after its way through JSON."""
    all_lives = list(lives(0, 50, 7))
    assert list(lives(17, 1, 7)) == [json.loads(json.dumps(all_lives[17]))]
    assert list(lives(17, 1, 8)) != [all_lives[17]]


def test_the_lives_have_every_kind_of_step_and_fault() -> None:
    """A thousand of them do."""
    steps = [step for life in lives(0, 1000, 1) for step in life["steps"]]
    assert {step["do"] for step in steps} == {
        *("requests", "wait", "clock", "restart", "die", "kill", "log-out", "end"),
    }
    groups = [step for step in steps if step["do"] == "requests"]
    faults = {"unsent", "lost-answer", "unavailable"}
    assert {fault for group in groups for fault in group["refresh"]} == faults
    assert {request["fault"] for group in groups for request in group["requests"]} == {*faults, "expired-token", None}
    assert any(group["offline"] for group in groups)
