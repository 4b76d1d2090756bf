"""One error for every failure of Redis: RedisUnavailable.

A failing command raises one of REDIS_ERRORS (TimeoutError is an OSError). On a connection that was just reset, uvloop
raises a plain RuntimeError: "unable to perform operation on <TCPTransport closed=True ...>; the handler is closed"
(MagicStack/uvloop 506).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from chassis.redis_clients import REDIS_ERRORS
from chassis.redis_reason import redis_reason

_CLOSED_TRANSPORT = "the handler is closed"
"""The part of uvloop's message by which its RuntimeError is recognized."""


class RedisUnavailable(Exception):
    """A command failed, or its reply was lost. `reason` is the error that Redis returned, or the error's type."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@contextmanager
def redis_faults() -> Iterator[None]:
    """Raise RedisUnavailable for a failure of Redis inside the `with` block. Other errors pass unchanged."""
    try:
        yield
    except REDIS_ERRORS as error:
        raise RedisUnavailable(redis_reason(error)) from error
    except RuntimeError as error:
        if _CLOSED_TRANSPORT not in str(error):
            raise
        raise RedisUnavailable("ConnectionResetError") from error
