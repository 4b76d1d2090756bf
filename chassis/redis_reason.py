"""Say why Redis did not do what it was asked: in its own words where it refused, else by the kind of failure."""

from redis.exceptions import AuthenticationError, ResponseError

_LONGEST = 200
"""Characters. Redis explains its protected mode in a page."""


def redis_reason(error: BaseException) -> str:
    """The reason to log or print. Holds no password: neither Redis nor its client repeats one.

    Examples: `refused: WRONGPASS invalid username-password pair`, `TLS failed: [SSL: WRONG_VERSION_NUMBER] ...`,
    `TimeoutError`.
    """
    if isinstance(error.__cause__, AuthenticationError | ResponseError):
        error = error.__cause__  # the asynchronous client hides a refusal that it met while connecting
    text = " ".join(str(error).split())
    if isinstance(error, AuthenticationError):
        # The client leaves Redis's code out, and where no password was given the words speak of HELLO.
        return (
            "refused: WRONGPASS " + text[:_LONGEST] if "invalid" in text else "refused: NOAUTH a password is required"
        )
    if isinstance(error, ResponseError):
        return f"refused: {_first_sentence(text)}"
    if "SSL" in text or "TLS" in text:
        return f"TLS failed: {text[:_LONGEST]}"
    if "Connection closed by server" in text:
        return f"{type(error).__name__}: it closed the connection; where no connection works: rediss:// is for TLS"
    return type(error).__name__


def _first_sentence(text: str) -> str:
    return text.partition(". ")[0].rstrip(".")[:_LONGEST]
