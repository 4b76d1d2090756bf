"""Read a JWKS document (RFC 7517 section 5): the public keys that verify access tokens."""

from collections.abc import Mapping
from typing import Any

import jwt

from chassis.json_body import MalformedJson, parse_json

JWKS_PATH = "/.well-known/jwks.json"
"""The path of the JWKS at the auth service."""

ALGORITHMS = frozenset({"RS256", "ES256", "EdDSA"})
"""The signature algorithms of access tokens that the gateway accepts."""


def read_jwks(document: bytes) -> Mapping[str, jwt.PyJWK]:
    """Return the public signature keys of a JWKS document by `kid`.

    Entries that the gateway does not understand are skipped (RFC 7517 section 5).
    Raises ValueError if the document is not a JWKS or has no usable key.
    """
    try:
        jwks = parse_json(document)
    except MalformedJson as error:
        raise ValueError(f"not a JWKS: {error.reason}") from error
    entries: Any = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(entries, list):
        raise ValueError('not a JWKS: "keys" must be a list')
    keys = {key.key_id: key for entry in entries if (key := _read_key(entry)) and key.key_id}
    if not keys:
        raise ValueError("the JWKS has no usable key")
    return keys


def _read_key(entry: object) -> jwt.PyJWK | None:
    """Return the key of a JWKS entry. None if it is malformed, private, or not for a signature in ALGORITHMS."""
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str) or "d" in entry:
        return None
    if not isinstance(entry.get("alg"), str) or entry["alg"] not in ALGORITHMS or entry.get("use", "sig") != "sig":
        return None
    try:
        return jwt.PyJWK(entry)
    except jwt.PyJWTError:
        return None
