"""The Redis clients of the gateway: one for each use, with the timeouts of that use, in seconds."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from chassis.redis_clients import async_redis_client

_NO_DRIVER_INFO = None
"""A new connection does not tell Redis the version of redis-py, which costs 0.3 ms and two commands each time."""


def revocation_feed_redis(url: str) -> "Redis":
    """Return the client of the revocation feed. No request waits for it."""
    return async_redis_client(
        url,
        decode_responses=True,
        encoding_errors="replace",  # an entry that is not UTF-8 must not stop the feed
        socket_timeout=3,  # longer than the feed's blocking read, which takes up to a second
        socket_connect_timeout=1,
        retry=Retry(NoBackoff(), 0),  # a retry would hide a lost connection: the feed then reads all again
        driver_info=_NO_DRIVER_INFO,
    )


def rate_limit_redis(url: str) -> "Redis":
    """Return the client of the shared rate-limit counters. Requests near a limit wait for it, so it fails fast."""
    return async_redis_client(
        url,
        socket_timeout=0.2,
        socket_connect_timeout=0.2,
        retry=Retry(NoBackoff(), 0),
        driver_info=_NO_DRIVER_INFO,
    )


def ticket_redis(url: str) -> "Redis":
    """Return the client of one-time tickets."""
    return async_redis_client(
        url,
        socket_timeout=1,
        socket_connect_timeout=1,
        retry=Retry(NoBackoff(), 0),
        driver_info=_NO_DRIVER_INFO,
    )
