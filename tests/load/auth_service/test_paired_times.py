"""The statistics of account_timing, with times whose result is known."""

import random

import pytest

from tests.load.auth_service.paired_times import PairedTimes


def times(seed: int, *, slower_by: float) -> PairedTimes:
    generator = random.Random(seed)
    known = [generator.gauss(20 * (1 + slower_by), 2) / 1_000 for _ in range(500)]
    return PairedTimes(known, [generator.gauss(20, 2) / 1_000 for _ in range(500)])


def test_equal_times_differ_by_chance_only() -> None:
    """In a hundred runs, both p-values are below 5 % in about five."""
    runs = [times(seed, slower_by=0) for seed in range(100)]
    assert sum(run.sign_test < 0.05 for run in runs) <= 12
    assert sum(run.mann_whitney < 0.05 for run in runs) <= 12
    assert all(abs(run.ratio - 1) < 0.05 for run in runs)


def test_a_difference_of_five_percent_is_found() -> None:
    for seed in range(20):
        run = times(seed, slower_by=0.05)
        assert run.sign_test < 0.01
        assert run.mann_whitney < 0.001
        assert run.ratio == pytest.approx(1.05, abs=0.03)


def test_the_sign_test_is_exact() -> None:
    assert PairedTimes([2, 2, 2, 2, 2], [1, 1, 1, 1, 1]).sign_test == pytest.approx(2 / 32)
    assert PairedTimes([2, 1], [1, 2]).sign_test == 1.0
