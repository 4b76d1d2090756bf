"""Credentials in a request: an access token (`Authorization: Bearer`), a session cookie, a refresh token, tickets."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from contract.credentials import (
    BAD_AUTHORIZATION,
    MalformedCredentials,
    NoCredentials,
    read_bearer,
    split_cookies,
)
from contract.problems import Refused
from gateway.http.request import KnownFields
from gateway.http.request_headers import RequestFields

_HANDLE = re.compile(rb"[A-Za-z0-9_-]{43}")
"""A session handle: 256 random bits in base64url."""


class Credentials(NamedTuple):
    """The credentials in one request, not verified. They are never cached and never logged.

    A named tuple, because a frozen dataclass of this size takes 0.6 us more.
    """

    authorization: bytes | None = None
    refresh_token: str | None = None
    session_cookies: tuple[bytes, ...] = ()
    """Every value of the session cookie."""
    other_cookies: tuple[bytes, ...] = ()
    """All other cookies, as `name=value`."""
    tickets: tuple[str, ...] = ()


NO_OTHER_CREDENTIALS = Credentials()
"""The credentials of a request whose known header fields have none, or only the token, which they hold themselves."""


def read_credentials(fields: RequestFields, cookie_name: bytes, tickets: tuple[str, ...] = ()) -> Credentials:
    """Return the credentials in `fields`. `cookie_name` is the name of the session cookie."""
    if not fields.cookies:
        return Credentials(fields.authorization, fields.refresh_token, tickets=tickets)
    handles, others = split_cookies(fields.cookies, cookie_name)
    return Credentials(fields.authorization, fields.refresh_token, tuple(handles), tuple(others), tickets)


def known_credentials(known: KnownFields, cookie_name: bytes) -> Credentials:
    """Return the credentials in the header fields `known`. `cookie_name` is the name of the session cookie."""
    authorization = b"Bearer " + known.token.encode("ascii") if known.token else None
    if not known.cookies:
        return Credentials(authorization, known.refresh_token)
    handles, others = split_cookies((known.cookies,), cookie_name)
    return Credentials(authorization, known.refresh_token, tuple(handles), tuple(others))


def bearer_token(authorization: bytes | None) -> str:
    """Return the token in an Authorization value.

    Raises Refused(401): `no_credentials` if the scheme is not Bearer, `token_invalid` if the value is malformed.
    """
    try:
        return read_bearer(authorization.decode("latin-1") if authorization is not None else None)
    except NoCredentials as missing:
        detail = "Only the Bearer scheme is known here." if authorization else ""
        raise Refused("no_credentials", detail) from missing
    except MalformedCredentials as malformed:
        raise Refused("token_invalid", BAD_AUTHORIZATION) from malformed


def is_bearer(authorization: bytes | None) -> bool:
    """Return whether an Authorization value has the scheme Bearer, well-formed or not."""
    if authorization is None:
        return False
    try:
        bearer_token(authorization)
    except Refused as refused:
        return refused.code != "no_credentials"
    return True


class InvalidHandle(Exception):
    """The value of the session cookie does not have the form of a session handle."""


def session_handle(values: Sequence[bytes]) -> str | None:
    """Return the handle in the values of the session cookie; None if there is no such cookie.

    Raises Refused(400) if there is more than one session cookie, and InvalidHandle.
    """
    if not values:
        return None
    if len(values) > 1:
        raise Refused("multiple_credentials", "There is more than one session cookie.")
    if not _HANDLE.fullmatch(values[0]):
        raise InvalidHandle
    return values[0].decode("ascii")


def clear_session_cookie(refused: Refused, set_cookie: str) -> Refused:
    """Add to `refused` the Set-Cookie field that clears the session cookie, and return it."""
    refused.headers = {**refused.headers, "Set-Cookie": set_cookie}
    return refused
