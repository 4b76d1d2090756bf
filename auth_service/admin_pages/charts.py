"""Bar charts as numbers, which a template draws as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 240.0
"""Width of a chart in units of its own."""
HEIGHT = 48.0
"""Height of the highest bar."""
_GAP = 0.2
"""The share of a bar's place that stays empty."""
_LOWEST = 1.0
"""Height of the lowest bar that is not zero, so that it can be seen."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: its place, its size and what it stands for."""

    x: float
    y: float
    width: float
    height: float
    label: str
    value: int


def bars(values: Sequence[tuple[str, int]]) -> Sequence[Bar]:
    """Return a bar for each label and value, from left to right. The highest has the whole height."""
    highest = max((value for _, value in values), default=0)
    place = WIDTH / max(1, len(values))
    return [
        _bar(number * place, place * (1 - _GAP), label, value, highest)
        for number, (label, value) in enumerate(values)
    ]


def _bar(x: float, width: float, label: str, value: int, highest: int) -> Bar:
    height = max(_LOWEST, HEIGHT * value / highest) if value else 0.0
    return Bar(round(x, 2), round(HEIGHT - height, 2), round(width, 2), round(height, 2), label, value)
