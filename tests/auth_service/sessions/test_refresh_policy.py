"""The refresh policy: a case for each row of its table, and the state after each decision."""

from dataclasses import replace

import pytest

from auth_service.sessions.refresh_policy import (
    MAX_RECENT,
    Decision,
    Ended,
    Expired,
    RefreshPolicy,
    ReissuePresented,
    ReissueSuccessor,
    Replay,
    Rotate,
    RotateNewer,
    SessionState,
    apply_decision,
    decide,
    lowest_valid_generation,
)

NOW = 1_000_000.0
GRACE = 10.0
DAY = 86_400.0

DEFAULT = RefreshPolicy(grace=GRACE, confirm=True, idle_lifetime=180 * DAY)
GRACE_ONLY = replace(DEFAULT, confirm=False)
CONFIRM_ONLY = replace(DEFAULT, grace=0)
STRICT = replace(DEFAULT, grace=0, confirm=False)


def session(generation: int, *ages: float, seen: int | None = None) -> SessionState:
    """Return a session that was rotated `ages` seconds before NOW; `seen` is its seen generation."""
    rotations = tuple(NOW - age for age in ages)
    return SessionState(
        generation=generation,
        seen_generation=generation if seen is None else seen,
        rotated_at=rotations[-1] if rotations else NOW - DAY,
        recent_rotations=rotations,
        expires_at=NOW + 365 * DAY,
        revoked_at=None,
        access_expires_at=NOW + DAY,
    )


@pytest.mark.parametrize(
    ("case", "state", "presented", "policy", "expected"),
    [
        ("the token of the log-in", session(0), 0, DEFAULT, Rotate()),
        ("newest, last rotation long ago", session(3, DAY), 3, DEFAULT, Rotate()),
        ("newest, successor unseen", session(3, 1, seen=2), 3, DEFAULT, Rotate()),
        ("newest, seven recent", session(9, 7, 6, 5, 4, 3, 2, 1), 9, DEFAULT, Rotate()),
        ("newest, eight recent", session(9, 8, 7, 6, 5, 4, 3, 2, 1), 9, DEFAULT, ReissuePresented()),
        ("newest, eight but one is past grace", session(9, 11, 7, 6, 5, 4, 3, 2, 1), 9, DEFAULT, Rotate()),
        ("one before, inside grace, seen", session(3, 9), 2, DEFAULT, ReissueSuccessor(restarts_grace=False)),
        (
            "one before, inside grace, unseen",
            session(3, 9, seen=2),
            2,
            DEFAULT,
            ReissueSuccessor(restarts_grace=True),
        ),
        (
            "one before, days later, unseen",
            session(3, 9 * DAY, seen=2),
            2,
            DEFAULT,
            ReissueSuccessor(restarts_grace=True),
        ),
        ("one before, just past grace, seen", session(3, GRACE), 2, DEFAULT, Replay()),
        ("one before, days later, unseen, confirm off", session(3, DAY, seen=2), 2, GRACE_ONLY, Replay()),
        ("two before, both inside grace", session(5, 9, 1), 3, DEFAULT, ReissueSuccessor(restarts_grace=False)),
        ("two before, the older past grace", session(5, 11, 1), 3, DEFAULT, Replay()),
        ("two before, unseen, both past grace", session(5, DAY, DAY, seen=4), 3, DEFAULT, Replay()),
        ("eight before, all inside grace", session(9, 8, 7, 6, 5, 4, 3, 2, 1), 1, DEFAULT, ReissueSuccessor(False)),
        ("nine before", session(9, 8, 7, 6, 5, 4, 3, 2, 1), 0, DEFAULT, Replay()),
        ("a generation that was never issued", session(3, 1), 4, DEFAULT, Replay()),
        ("strict: newest", session(3, 0), 3, STRICT, Rotate()),
        ("strict: one before, the same second", session(3, 0, seen=2), 2, STRICT, Replay()),
        ("strict: one before, clocks apart", session(3, -5, seen=2), 2, STRICT, Replay()),
        (
            "no grace: one before, unseen",
            session(3, DAY, seen=2),
            2,
            CONFIRM_ONLY,
            ReissueSuccessor(restarts_grace=True),
        ),
        ("no grace: one before, seen", session(3, 0), 2, CONFIRM_ONLY, Replay()),
        ("clocks apart: a rotation in the future is recent", session(3, -5), 2, DEFAULT, ReissueSuccessor(False)),
    ],
)
def test_the_first_row_of_the_table_that_applies_decides(
    case: str, state: SessionState, presented: int, policy: RefreshPolicy, expected: Decision
) -> None:
    assert decide(state, presented, NOW, policy) == expected, case


@pytest.mark.parametrize("policy", [DEFAULT, STRICT])
@pytest.mark.parametrize(
    ("case", "presented", "issued_at", "expected"),
    [
        ("newer than the session, issued before the restore", 7, NOW - 61, RotateNewer(7)),
        ("newer than the session, issued at the restore or after it", 7, NOW - 60, Replay()),
        ("newer than the session, of unknown age", 7, None, Replay()),
        ("the newest", 3, NOW - 61, Rotate()),
        ("a used one", 1, NOW - 61, Replay()),
    ],
)
def test_after_a_restore_a_token_may_be_newer_than_its_session(
    case: str, presented: int, issued_at: float | None, expected: Decision, policy: RefreshPolicy
) -> None:
    restored = replace(policy, restored_at=NOW - 60)
    assert decide(session(3, DAY), presented, NOW, restored, issued_at=issued_at) == expected, case
    ended = replace(session(3, DAY), revoked_at=NOW - DAY)
    assert decide(ended, presented, NOW, restored, issued_at=issued_at) == Ended()


def test_without_a_restore_no_token_is_newer_than_its_session() -> None:
    assert decide(session(3, DAY), 4, NOW, DEFAULT, issued_at=NOW - DAY) == Replay()


def test_after_a_rotation_of_a_newer_token_all_earlier_ones_are_used() -> None:
    restored = replace(DEFAULT, restored_at=NOW)
    rotated = apply_decision(session(3, 1), RotateNewer(7), NOW, restored)
    assert rotated == replace(session(3), generation=8, seen_generation=7, rotated_at=NOW, recent_rotations=(NOW,))
    for presented in range(7):
        assert decide(rotated, presented, NOW + 1, restored, issued_at=NOW - 1) == Replay()
    assert decide(rotated, 7, NOW + DAY, restored, issued_at=NOW - 1) == ReissueSuccessor(restarts_grace=True)


def test_an_ended_session_refuses_even_its_newest_token() -> None:
    assert decide(replace(session(3, 1), revoked_at=NOW - 1), 3, NOW, DEFAULT) == Ended()


def test_a_session_expires_exactly_at_its_idle_or_absolute_end() -> None:
    absolute = replace(session(3, 1), expires_at=NOW)
    idle = session(3, DEFAULT.idle_lifetime)
    assert decide(absolute, 3, NOW, DEFAULT) == Expired()
    assert decide(absolute, 3, NOW - 0.5, DEFAULT) == Rotate()
    assert decide(idle, 3, NOW, DEFAULT) == Expired()
    assert decide(idle, 3, NOW - 0.5, DEFAULT) == Rotate()


def test_a_rotation_adds_a_generation_and_marks_the_presented_one_as_seen() -> None:
    rotated = apply_decision(session(5, 30, 3, seen=4), Rotate(), NOW, DEFAULT)
    assert rotated == replace(
        session(5), generation=6, seen_generation=5, rotated_at=NOW, recent_rotations=(NOW - 3, NOW)
    )


def test_a_restarted_grace_time_does_not_change_the_successor() -> None:
    """The token is computed from `generation` and `rotated_at`, which a restart does not change."""
    state = session(5, 9 * DAY, 2 * DAY, seen=4)
    restarted = apply_decision(state, ReissueSuccessor(restarts_grace=True), NOW, DEFAULT)
    assert restarted == replace(state, recent_rotations=(NOW - 9 * DAY, NOW))
    assert decide(restarted, 4, NOW + GRACE - 1, GRACE_ONLY) == ReissueSuccessor(restarts_grace=False)


def test_a_presented_token_that_is_issued_again_counts_as_seen() -> None:
    eight = session(9, 8, 7, 6, 5, 4, 3, 2, 1, seen=8)
    assert not apply_decision(eight, ReissuePresented(), NOW, DEFAULT).is_newest_unseen


def test_a_replay_ends_the_session_and_decisions_without_a_change_write_nothing() -> None:
    state = session(3, 1)
    assert apply_decision(state, Replay(), NOW, DEFAULT) == replace(state, revoked_at=NOW)
    for decision in (ReissueSuccessor(restarts_grace=False), Ended(), Expired()):
        assert apply_decision(state, decision, NOW, DEFAULT) is state


@pytest.mark.parametrize(
    "decision", [Rotate(), ReissueSuccessor(restarts_grace=True), ReissueSuccessor(restarts_grace=False)]
)
def test_no_access_token_outlives_the_recorded_expiry(decision: Decision) -> None:
    """Also a minute later without another write, and if the setting is lowered meanwhile."""
    policy = replace(DEFAULT, access_lifetime=300)
    state = apply_decision(replace(session(3, 1, seen=2), access_expires_at=NOW + 299), decision, NOW, policy)
    assert state.access_expires_at == NOW + 360  # with 60 s of padding
    again = apply_decision(state, ReissueSuccessor(restarts_grace=False), NOW + 60, policy)
    assert again is state
    lowered = apply_decision(state, decision, NOW + 60, replace(policy, access_lifetime=5))
    assert lowered.access_expires_at == NOW + 360


def test_recent_rotations_never_exceed_their_maximum() -> None:
    state = session(0)
    for step in range(50):
        now = NOW + step / 10
        state = apply_decision(state, decide(state, state.generation, now, DEFAULT), now, DEFAULT)
        assert len(state.recent_rotations) <= MAX_RECENT


@pytest.mark.parametrize("policy", [DEFAULT, GRACE_ONLY, CONFIRM_ONLY, STRICT])
@pytest.mark.parametrize("seen", [4, 5])
def test_tokens_below_the_lowest_valid_generation_are_replays_now_and_later(policy: RefreshPolicy, seen: int) -> None:
    state = session(5, 30, 9, 3, seen=seen)
    for presented in range(lowest_valid_generation(state, policy, NOW)):
        for later in (0.0, 1.0, 20.0):
            assert decide(state, presented, NOW + later, policy) == Replay()
