"""Asks the Redis that the environment names whether it is there."""

from collections.abc import Mapping
from pathlib import Path

from redis import AuthenticationError, Redis, RedisError, ResponseError
from redis.backoff import NoBackoff
from redis.retry import Retry

from chassis.redis_reason import redis_reason
from stack.settings import StartRefused

TIMEOUT = 2.0


def check_redis(given: Mapping[str, str]) -> None:
    """Raises StartRefused when what REDIS_URL or REDIS_URL_FILE names is silent for two seconds. Says no password."""
    try:
        url = given.get("REDIS_URL") or Path(given["REDIS_URL_FILE"]).read_text("utf-8").strip()
        with Redis.from_url(
            url,
            socket_timeout=TIMEOUT,
            socket_connect_timeout=TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        ) as client:
            client.ping()
    except (RedisError, OSError, ValueError) as problem:
        hint = "; rediss:// is for a port with TLS" if given.get("REDIS_URL", "").startswith("rediss") else ""
        raise StartRefused(_complaint(problem) + hint) from None


def _complaint(problem: Exception) -> str:
    if isinstance(problem, ResponseError | AuthenticationError):
        return f"REDIS_URL: the Redis there {redis_reason(problem).replace(': ', ' this system: ', 1)}"
    return f"REDIS_URL is set, but no Redis answers there ({redis_reason(problem)})"
