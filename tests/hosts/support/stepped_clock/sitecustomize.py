"""Add the seconds in the file CLOCK_STEP_FILE to `time.time` of a Python process.

Python imports this module at the start if its folder is in PYTHONPATH. libfaketime 0.9.10 cannot be used: with it,
`time.sleep` of Python 3.11 fails with EINVAL.
"""

import os
import time
from pathlib import Path

_FILE = Path(os.environ["CLOCK_STEP_FILE"])
_READ_INTERVAL = 0.2
_system_time = time.time
_step = 0.0
_read_at = 0.0


def _stepped_time() -> float:
    global _read_at, _step
    now = time.monotonic()
    if now - _read_at > _READ_INTERVAL:
        _read_at, _step = now, float(_FILE.read_text())
    return _system_time() + _step


time.time = _stepped_time
