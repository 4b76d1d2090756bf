"""Reads the credentials that a request carries: an access token as `Authorization: Bearer`, or a session cookie."""

import re
from collections.abc import Sequence

from contract.credentials import (
    BAD_AUTHORIZATION,
    MalformedCredentials,
    NoCredentials,
    read_bearer,
)
from contract.problems import Refused

_HANDLE = re.compile(rb"[A-Za-z0-9_-]{43}")
"""A session handle: 256 random bits in base64url."""


class BadHandle(Exception):
    """The session cookie's value is no handle of ours, so it proves nothing."""


def bearer_token(authorization: bytes | None) -> str:
    """Return the token in an Authorization value.

    Raises Refused(401): without an error code where there is no Bearer token, as invalid where it is malformed.
    """
    try:
        return read_bearer(authorization.decode("latin-1") if authorization is not None else None)
    except NoCredentials as error:
        detail = "Only the Bearer scheme is known here." if authorization else ""
        raise Refused("no_credentials", detail) from error
    except MalformedCredentials as error:
        raise Refused("token_invalid", BAD_AUTHORIZATION) from error


def is_bearer(authorization: bytes | None) -> bool:
    """Whether the request authenticates by Bearer, well-formed or not."""
    try:
        bearer_token(authorization)
    except Refused as refused:
        return refused.code != "no_credentials"
    return True


def session_handle(values: Sequence[bytes]) -> str | None:
    """Return the handle in the values of the session cookie; None where there is no such cookie.

    Raises Refused(400) where the cookie comes twice, and BadHandle where its value is no handle.
    """
    if not values:
        return None
    if len(values) > 1:
        raise Refused("multiple_credentials", "There is more than one session cookie.")
    if not _HANDLE.fullmatch(values[0]):
        raise BadHandle
    return values[0].decode("ascii")


def clearing(refused: Refused, set_cookie: str) -> Refused:
    """Has the answer of `refused` clear the session cookie, and return it."""
    refused.headers = {**refused.headers, "Set-Cookie": set_cookie}
    return refused
