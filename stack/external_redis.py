"""Check that the Redis in REDIS_URL can be used."""

from collections.abc import Mapping
from pathlib import Path

from redis import AuthenticationError, ResponseError
from redis.backoff import NoBackoff
from redis.retry import Retry

from chassis.redis_clients import REDIS_ERRORS, redis_client
from chassis.redis_reason import redis_reason
from chassis.redis_url import check_redis_url
from stack.settings import StartError

TIMEOUT_SECONDS = 2.0
"""For connecting, and for each reply."""


def check_redis(given: Mapping[str, str]) -> None:
    """Raise StartError unless the Redis of REDIS_URL or REDIS_URL_FILE responds.

    The message shows no password. `given` is the environment without empty values.
    """
    if "REDIS_URL" in given and "REDIS_URL_FILE" in given:
        raise StartError("REDIS_URL and REDIS_URL_FILE are both set: keep one")
    url = given.get("REDIS_URL") or _read(given["REDIS_URL_FILE"])
    try:
        check_redis_url(url)
    except ValueError as error:
        raise StartError(f"REDIS_URL {error}") from None
    timeouts = {"socket_timeout": TIMEOUT_SECONDS, "socket_connect_timeout": TIMEOUT_SECONDS}
    try:
        with redis_client(url, **timeouts, retry=Retry(NoBackoff(), 0)) as client:
            client.get("start")  # in a Cluster, PING needs every node
    except (*REDIS_ERRORS, ValueError) as error:
        hint = "; rediss:// needs a port with TLS" if url.startswith("rediss") else ""
        raise StartError(_message(error) + hint) from None


def _read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8").strip()
    except UnicodeDecodeError:
        raise StartError(f"REDIS_URL_FILE names {path}, which is not UTF-8 text") from None
    except OSError as error:
        raise StartError(f"REDIS_URL_FILE names {path}, which cannot be read: {error.strerror}") from None


def _message(error: Exception) -> str:
    if isinstance(error.__cause__, ResponseError | AuthenticationError):
        error = error.__cause__  # the client of a Cluster wraps it
    if isinstance(error, ResponseError | AuthenticationError):
        # "refused: NOAUTH ..." becomes "the Redis there refused this system: NOAUTH ...".
        return f"REDIS_URL: the Redis there {redis_reason(error).replace(': ', ' this system: ', 1)}"
    cause = error.__context__  # redis-py raises its own error while it handles the OSError
    reason = (cause.strerror if isinstance(cause, OSError) else None) or redis_reason(error)
    return f"REDIS_URL is set, but no Redis answers there ({reason}): start it, or correct REDIS_URL"
