"""The type of a clock: a callable that returns seconds since the epoch. Callers pass clocks in."""

from collections.abc import Callable

Clock = Callable[[], float]
