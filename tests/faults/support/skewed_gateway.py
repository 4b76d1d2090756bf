"""The gateway with a wrong clock."""

import os
import time

from gateway.app import create_app as create_gateway
from gateway.worker_application import Gateway

SKEW = "CLOCK_SKEW"
"""The environment variable with the seconds that the clock is ahead."""


def create_app() -> Gateway:
    """Return the gateway's application with the wrong clock, for gunicorn."""
    skew = float(os.environ[SKEW])
    return create_gateway(clock=lambda: time.time() + skew)
