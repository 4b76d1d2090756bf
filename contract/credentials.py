"""Read credentials from header fields: the Bearer token in Authorization, and cookies by name.

All services use these functions, so that no two services read one request differently.
"""

import re
from collections.abc import Iterable

from contract.claims import MAX_TOKEN_LENGTH

BAD_AUTHORIZATION = "The Authorization header must be the word Bearer and one token."

_TOKEN68 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/"
_SCHEME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class NoCredentials(Exception):
    """The request has no Authorization field, or one with a scheme other than Bearer."""


class MalformedCredentials(Exception):
    """The scheme is Bearer, but it is not followed by exactly one token."""


def read_bearer(authorization: str | None) -> str:
    """Return the token in an Authorization value: `Bearer`, spaces and a token68 (RFC 6750 2.1, RFC 9110 11.4).

    The scheme is case-insensitive (RFC 9110 11.1). Raises NoCredentials or MalformedCredentials.
    """
    value = (authorization or "").strip(" \t")
    name, _, rest = value.partition(" ")
    if name.lower() == "bearer" and _is_token68(token := rest.lstrip(" ")):
        return token
    scheme = _SCHEME.match(value)
    if scheme is None or scheme[0].lower() != "bearer":
        raise NoCredentials
    raise MalformedCredentials


def _is_token68(token: str) -> bool:
    # 1 us for a token of 600 characters; a regular expression takes 5 us.
    bare = token.rstrip("=")
    if not bare or not bare.isascii() or len(token) > MAX_TOKEN_LENGTH:
        return False
    return not bare.encode("ascii").translate(None, _TOKEN68)


def split_cookies(fields: Iterable[bytes], name: bytes) -> tuple[list[bytes], list[bytes]]:
    """Return every value of the cookie `name` in these Cookie fields, and all other pairs unchanged.

    RFC 6265 4.2.1, 5.2: a semicolon always ends a pair, names are case-sensitive, quotes are part of the value.
    """
    values: list[bytes] = []
    others: list[bytes] = []
    for field in fields:
        for raw in field.split(b";"):
            pair = raw.strip(b" \t")
            if pair.startswith(name + b"="):
                values.append(pair[len(name) + 1 :])
            elif pair:
                others.append(pair)
    return values, others
