"""The type of a clock: a callable that returns seconds, since the epoch unless its parameter is named `monotonic`."""

from collections.abc import Callable

Clock = Callable[[], float]
