"""The gateway with a clock that is wrong."""

import os
import time

from gateway.app import Gateway
from gateway.app import create_app as create_gateway

SKEW = "CLOCK_SKEW"
"""The setting: seconds that the clock is ahead."""


def create_app() -> Gateway:
    """What gunicorn is given instead of the gateway's own."""
    skew = float(os.environ[SKEW])
    return create_gateway(clock=lambda: time.time() + skew)
