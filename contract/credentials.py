"""Reads the credentials in a request's header fields: the Bearer token in Authorization, and cookies by name.

Every service reads them here, so that no two of them understand the same request differently.
"""

import re
from collections.abc import Iterable

from contract.claims import MAX_TOKEN_LENGTH

BAD_AUTHORIZATION = "The Authorization header must be the word Bearer and one token."

_BEARER = re.compile(r"(?i:bearer) +([A-Za-z0-9._~+/-]+=*)")
_SCHEME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class NoCredentials(Exception):
    """The request has no Authorization field, or one of another scheme than Bearer."""


class MalformedCredentials(Exception):
    """The scheme is Bearer, and what follows it is not one token."""


def read_bearer(authorization: str | None) -> str:
    """Return the token in an Authorization value: `Bearer`, spaces and a token68 (RFC 6750 2.1, RFC 9110 11.4).

    The scheme is case-insensitive (RFC 9110 11.1). Raises NoCredentials or MalformedCredentials.
    """
    value = (authorization or "").strip(" \t")
    found = _BEARER.fullmatch(value)
    if found is not None and len(found[1]) <= MAX_TOKEN_LENGTH:
        return found[1]
    scheme = _SCHEME.match(value)
    if scheme is None or scheme[0].lower() != "bearer":
        raise NoCredentials
    raise MalformedCredentials


def split_cookies(fields: Iterable[bytes], name: bytes) -> tuple[list[bytes], list[bytes]]:
    """Return every value of the cookie `name` in these Cookie fields, and all other pairs as they came.

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
