"""The reason why a Redis command failed: Redis's own message if it refused, else the kind of failure."""

from redis.exceptions import AuthenticationError, ResponseError

_LONGEST = 200
"""Characters of a message that are kept: Redis's explanation of its protected mode fills a page."""


def redis_reason(error: BaseException) -> str:
    """Return the reason to log or print. It holds no password: neither Redis nor its client repeats one.

    Examples: `refused: WRONGPASS invalid username-password pair`, `TLS failed: [SSL: WRONG_VERSION_NUMBER] ...`,
    `TimeoutError`.
    """
    if isinstance(error.__cause__, AuthenticationError | ResponseError):
        error = error.__cause__  # the asyncio client wraps a refusal during connect
    text = " ".join(str(error).split())
    if isinstance(error, AuthenticationError):
        # The client drops Redis's error code; without a password the message is about HELLO.
        return (
            "refused: WRONGPASS " + text[:_LONGEST] if "invalid" in text else "refused: NOAUTH a password is required"
        )
    if isinstance(error, ResponseError):
        return f"refused: {_first_sentence(text)}"
    if "SSL" in text or "TLS" in text:
        return f"TLS failed: {text[:_LONGEST]}"
    if "Connection closed by server" in text:
        return f"{type(error).__name__}: it closed the connection; if every connection fails, use rediss:// (TLS)"
    return type(error).__name__


def _first_sentence(text: str) -> str:
    return text.partition(". ")[0].rstrip(".")[:_LONGEST]
