"""The Redis clients of the gateway: one for each use, with the timeouts of that use, in seconds."""

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

_NO_DRIVER_INFO = None
"""A new connection does not tell Redis the version of redis-py, which costs 0.3 ms and two commands each time."""


def revocation_feed_redis(url: str) -> "Redis":
    """Return the client of the revocation feed. No request waits for it."""
    return Redis.from_url(
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
    return Redis.from_url(
        url,
        socket_timeout=0.2,
        socket_connect_timeout=0.2,
        retry=Retry(NoBackoff(), 0),
        driver_info=_NO_DRIVER_INFO,
    )


def ticket_redis(url: str) -> "Redis":
    """Return the client of one-time tickets. It has four connections, and requests wait for a free one.

    Without this limit, many streams that reconnect at once would open as many connections to Redis.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=4,
        timeout=1,  # for a free connection
        socket_timeout=1,
        socket_connect_timeout=1,
        retry=Retry(NoBackoff(), 0),
        driver_info=_NO_DRIVER_INFO,
    )
    return Redis.from_pool(pool)
