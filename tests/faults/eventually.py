"""Wait for what other processes do: they have no clock that a test could move."""

import time
from collections.abc import Callable

from tests.faults.part import WAIT


def eventually(is_so: Callable[[], bool], within: float = WAIT) -> float:
    """Wait until the condition holds; return the seconds it took."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < within, f"still not so after {within} s"
        time.sleep(0.02)
    return time.monotonic() - began
