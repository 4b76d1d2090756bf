"""The model of more cores and the cost of one more are computed from the measured points."""

import pytest

from tests.load.growth.points import Beside, Point
from tests.load.growth.scaling import Cost, scaling_lines
from tests.load.growth.unit_costs import unit_cost, unit_cost_line
from tests.load.measuring.wrk import Run

BESIDE = Beside(client=10, upstream=7, redis=2, master=1)


def point(size: int, *, cpu: float, rate: float = 10_000, memory: int = 0) -> Point:
    return Point(size, Run(rate, 1, 2, cpu, memory, 0), beside=BESIDE)


def test_the_rate_of_a_gateway_is_its_cores_over_its_cpu_time() -> None:
    cost = Cost(80, BESIDE)
    assert cost.rate(4) == pytest.approx(4 * 12_500)
    assert cost.rate_of_shared_cores(4) == pytest.approx(4 * 10_000), "100 us in all processes"


def test_the_model_uses_the_highest_cpu_time_of_all_worker_counts() -> None:
    lines = scaling_lines([point(1, cpu=80), point(2, cpu=100), point(4, cpu=90)], cores=2)
    assert "| 8 | 80,000 | 66,667 |" in lines


def test_a_measured_rate_is_compared_with_what_the_workers_and_the_cores_allow() -> None:
    lines = scaling_lines([point(1, cpu=80, rate=12_500), point(2, cpu=80, rate=10_000)], cores=2)
    of_the_model = [line.split("|")[-2].strip() for line in lines if line.startswith(("| 1 | 80", "| 2 | 80"))]
    assert of_the_model == ["100%", "50%"], "one worker has one core; two workers share both with the others"


def test_worker_counts_that_failed_are_left_out_of_the_model() -> None:
    assert scaling_lines([Point(1, None, "does not listen")], cores=2) == []
    lines = scaling_lines([point(1, cpu=80), Point(2, None, "does not listen")], cores=2)
    assert "| 1 | 12,500 | 10,000 |" in lines


def test_the_cost_of_one_more_is_the_difference_over_the_range() -> None:
    points = [point(0, cpu=20, memory=50_000_000), point(100, cpu=20), point(10_000, cpu=21.5, memory=118_000_000)]
    cost = unit_cost(points)
    assert cost is not None
    assert (cost.memory, cost.cpu) == (6_800, 1.5)
    assert unit_cost_line("idle connection", points) == "| idle connection | 0 and 10,000 | 6,800 | +1.5 |"


def test_one_size_has_no_cost_of_one_more() -> None:
    assert unit_cost([point(1, cpu=20), Point(10, None, "does not listen")]) is None
