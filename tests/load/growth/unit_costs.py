"""What one more costs: bytes of memory and CPU time of a request for each route, token or connection."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.load.growth.points import Point

HEAD = ("| one more | between | memory, bytes | CPU of a request, us, over the whole range |", "|---|---|---|---|")


@dataclass(frozen=True, slots=True)
class UnitCost:
    """The difference between the smallest and the largest measured size.

    `memory` is in bytes for each further unit, `cpu` in microseconds of a request for all further units together.
    """

    smallest: int
    largest: int
    memory: float
    cpu: float


def unit_cost(points: Sequence[Point]) -> UnitCost | None:
    """Return the cost of one more, or None if fewer than two sizes were measured."""
    measured = [(point.size, point.run) for point in points if point.run]
    if len(measured) < 2:
        return None
    (smallest, before), (largest, after) = measured[0], measured[-1]
    return UnitCost(smallest, largest, (after.memory - before.memory) / (largest - smallest), after.cpu - before.cpu)


def unit_cost_line(unit: str, points: Sequence[Point]) -> str:
    """Return the row of a growth, as Markdown."""
    cost = unit_cost(points)
    if cost is None:
        return f"| {unit} | | not measured | |"
    return f"| {unit} | {cost.smallest:,} and {cost.largest:,} | {cost.memory:,.0f} | {cost.cpu:+,.1f} |"
