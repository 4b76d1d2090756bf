"""Wait for a condition in other processes, whose clocks a test cannot move."""

import time
from collections.abc import Callable

from tests.faults.support.managed_process import WAIT


def wait_until(is_true: Callable[[], bool], within: float = WAIT) -> float:
    """Wait until `is_true()`, and return the seconds it took. Fail after `within` seconds."""
    began = time.monotonic()
    while not is_true():
        assert time.monotonic() - began < within, f"still not true after {within} s"
        time.sleep(0.02)
    return time.monotonic() - began
