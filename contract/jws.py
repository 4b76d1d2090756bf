"""Owns the compact form of a signed JWT (RFC 7515 7.1): how it is read by a known key, and how it is made.

The signatures are PyJWT's. What it does around them costs more than they do, for it reads every header twice and
looks for every key anew: an access token took 175 us to verify and takes 38, of which RS256 itself is 24.
"""

import json
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jwt import get_algorithm_by_name

from contract.claims import InvalidToken, is_compact_jws

_encode_json = json.JSONEncoder(separators=(",", ":")).encode


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is named twice")
    return members


# RFC 7515 4 and RFC 7519 4: names are unique. Two readers could take different ones of two.
_decode_json = json.JSONDecoder(object_pairs_hook=_unique).decode


@dataclass(frozen=True, slots=True)
class JwsHeader:
    """What a token says of itself; `extended` where it holds what its reader has to understand (`crit`, `b64`)."""

    type: object
    algorithm: object
    key_id: str | None
    extended: bool


def read_header(token: str) -> JwsHeader:
    """The header of a token, not verified. Raises InvalidToken where `token` has not the form of one."""
    if not is_compact_jws(token):
        raise InvalidToken("Token is malformed")
    return _header(token.partition(".")[0])


@lru_cache(256)  # all tokens of a key have the same; 13 us
def _header(part: str) -> JwsHeader:
    members = _object(part)
    key_id = members.get("kid")
    if key_id is not None and not isinstance(key_id, str):
        raise InvalidToken("Token is malformed")
    # RFC 7797 7: no JWT has `b64`, with or without `crit`.
    return JwsHeader(members.get("typ"), members.get("alg"), key_id, "crit" in members or "b64" in members)


def read_claims(token: str, header: JwsHeader, *, typ: str, algorithm: str, key: Any) -> dict[str, Any]:
    """The claims of a token of this type, signed by `key` in its one `algorithm` (RFC 8725 3.1). Raises InvalidToken.

    `header` is the token's own.
    """
    if header.type != typ or header.extended:
        raise InvalidToken("Token has wrong type")
    signed, _, signature = token.rpartition(".")
    if header.algorithm != algorithm or not _is_signed(signed, signature, algorithm, key):
        raise InvalidToken("Token has a bad signature")
    return _object(signed.partition(".")[2])


def read_unverified(token: str) -> dict[str, Any]:
    """Return the claims of a token without verifying it. They may choose an error code or a time to renew, no right.

    Raises InvalidToken where the token has not the form of one.
    """
    read_header(token)
    return _object(token.split(".")[1])


def encoded_header(*, typ: str, algorithm: str, key_id: str | None = None) -> str:
    """The first part of a token."""
    named = {"kid": key_id} if key_id is not None else {}
    return _base64url(_encode_json({"alg": algorithm, **named, "typ": typ}).encode()).decode("ascii")


def sign_claims(claims: Mapping[str, Any], *, header: str, algorithm: str, key: Any) -> str:
    """A token of `claims` under an encoded header, which names `algorithm`."""
    signer = get_algorithm_by_name(algorithm)
    return signed(_encode_json(claims), header=header, sign=lambda data: signer.sign(data, key))


def signed(payload: str, *, header: str, sign: Callable[[bytes], bytes]) -> str:
    """A token of `payload`, a JSON text, under an encoded header; `sign` does what that says."""
    first = b"%b.%b" % (header.encode("ascii"), _base64url(payload.encode()))
    token = b"%b.%b" % (first, _base64url(sign(first)))
    return token.decode("ascii")


def _is_signed(signed: str, signature: str, algorithm: str, key: Any) -> bool:
    try:
        return get_algorithm_by_name(algorithm).verify(signed.encode("ascii"), key, _decoded(signature))
    except ValueError:  # no base64url, whatever its letters say
        return False


def _object(part: str) -> dict[str, Any]:
    try:
        members = _decode_json(_decoded(part).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InvalidToken("Token is malformed") from error
    if not isinstance(members, dict):
        raise InvalidToken("Token is malformed")
    return members


# Of RFC 4648 5, without padding; what the base64 module puts around the same two calls takes as long as they do.
_TO_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_FROM_URL_SAFE = bytes.maketrans(b"-_", b"+/")


_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
# By a part's length modulo 4: the last letters whose unused bits are zero (RFC 4648 3.5). One token has one text.
_LAST_LETTERS = (_ALPHABET, "", _ALPHABET[::16], _ALPHABET[::4])


def _decoded(part: str) -> bytes:
    if part[-1] not in _LAST_LETTERS[len(part) % 4]:
        raise ValueError("no canonical base64url")
    return a2b_base64(part.encode("ascii").translate(_FROM_URL_SAFE) + b"==")


def _base64url(data: bytes) -> bytes:
    return b2a_base64(data, newline=False).translate(_TO_URL_SAFE, b"=")
