"""The errors of this package. No message contains a token or a password."""

from collections.abc import Mapping


class SallyportError(Exception):
    """The base class of all errors of this package."""


class ApiError(SallyportError):
    """The server refused a call of this package, such as a log-in.

    `fields` has the messages by field of a 400; `retry_after` is in seconds, None if the server named none.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        code: str = "",
        fields: Mapping[str, list[str]] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status
        self.detail = detail
        self.code = code
        self.fields = dict(fields or {})
        self.retry_after = retry_after


class NetworkError(SallyportError):
    """No usable answer came within the time of the RetryPolicy. The user stays logged in; try again later."""


class BodyNotReplayable(SallyportError):
    """The access token of a request was refused, and its body can be read only once.

    The server did nothing, and the access token is a new one now: send the request again with a new body.
    """

    def __init__(self) -> None:
        super().__init__(
            "the access token was refused, and the body (a generator or a pipe) cannot be read a second time; "
            "the token is a new one now: send the request again with a new body"
        )


class StoreError(SallyportError):
    """The token store cannot be read or written. The message names the file and the reason."""
