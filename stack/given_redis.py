"""Asks the Redis that the environment names whether it is there."""

from collections.abc import Mapping
from pathlib import Path

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

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
        raise StartRefused(f"REDIS_URL is set, but no Redis answers there ({type(problem).__name__})") from None
