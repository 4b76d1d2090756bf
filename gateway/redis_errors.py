"""Translates every way in which Redis can fail into one error, RedisAway, for all of the gateway's uses of it.

A command raises a RedisError, an OSError or TimeoutError, or, on a connection that was reset a moment ago, a plain
RuntimeError of uvloop's: "unable to perform operation on <TCPTransport closed=True ...>; the handler is closed"
(MagicStack/uvloop 506).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import RedisError

from chassis.redis_reason import redis_reason

_CLOSED_TRANSPORT = "the handler is closed"


class RedisUnavailable(Exception):
    """Redis did not answer. `reason` is its own where it refused, else what was raised."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@contextmanager
def redis_faults() -> Iterator[None]:
    """Raises RedisAway for whatever a command to Redis within it fails with; other errors pass."""
    try:
        yield
    except (RedisError, OSError) as error:  # TimeoutError is an OSError
        raise RedisUnavailable(redis_reason(error)) from error
    except RuntimeError as error:
        if _CLOSED_TRANSPORT not in str(error):
            raise
        raise RedisUnavailable("ConnectionResetError") from error
