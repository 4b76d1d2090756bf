"""The gateway with a wrong clock."""

import os
import time

from gateway.app import Gateway
from gateway.app import create_app as create_gateway

SKEW = "CLOCK_SKEW"
"""The setting: seconds that the clock is ahead."""


def create_app() -> Gateway:
    """Return the application for gunicorn, in place of the gateway's own."""
    skew = float(os.environ[SKEW])
    return create_gateway(clock=lambda: time.time() + skew)
