"""The type of a clock: a callable that returns the time in seconds.

A parameter `clock` takes time.time (seconds since the epoch) unless its default is time.monotonic. A parameter
`monotonic` takes time.monotonic.
"""

from collections.abc import Callable

Clock = Callable[[], float]
