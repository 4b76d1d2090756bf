"""The reason why a Redis command failed: the message of Redis if it refused, else the class of the error."""

from redis.exceptions import AuthenticationError, ResponseError

_MAX_LENGTH = 200
"""Characters of a message that are shown. The message of Redis about its protected mode has over 1,000."""


def redis_reason(error: BaseException) -> str:
    """Return the reason, for a log or a terminal. It contains no password: neither Redis nor its client repeats one.

    Examples: `refused: WRONGPASS invalid username-password pair`, `TLS failed: [SSL: WRONG_VERSION_NUMBER] ...`,
    `TimeoutError`.
    """
    if isinstance(error.__cause__, AuthenticationError | ResponseError):
        error = error.__cause__  # the asyncio client wraps the error of a refused connection
    text = " ".join(str(error).split())
    if isinstance(error, AuthenticationError):
        # redis-py removes the error code (WRONGPASS, NOAUTH) from the message, so it is added again. The message of
        # NOAUTH is replaced: it advises how to use the command HELLO, which redis-py sends first.
        return (
            "refused: WRONGPASS " + text[:_MAX_LENGTH]
            if "invalid" in text
            else "refused: NOAUTH a password is required"
        )
    if isinstance(error, ResponseError):
        return f"refused: {_first_sentence(text)}"
    if "SSL" in text or "TLS" in text:
        return f"TLS failed: {text[:_MAX_LENGTH]}"
    if "Connection closed by server" in text:
        return f"{type(error).__name__}: it closed the connection; if every connection fails, use rediss:// (TLS)"
    return type(error).__name__


def _first_sentence(text: str) -> str:
    return text.partition(". ")[0].rstrip(".")[:_MAX_LENGTH]
