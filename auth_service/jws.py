"""Owns how our tokens are signed, and how one of our own is known again: compact JWS (RFC 7515 7.1).

The library's `encode` examines key and header at each token, its `decode` every character. The key and the header of
a signer never change: they are prepared once, and a token that a secret made is known by making its signature again.
"""

import base64
import hmac
import json
from collections.abc import Mapping
from typing import Any

import jwt

from auth_service.signing_keys import PrivateKey

Claims = Mapping[str, Any]


class Signer:
    """Signs claims with one key, under one header."""

    def __init__(self, key: PrivateKey | bytes, algorithm: str, header: Mapping[str, str]) -> None:
        self._algorithm = jwt.get_algorithm_by_name(algorithm)
        self._key = self._algorithm.prepare_key(key)
        whole = dict(sorted({"alg": algorithm, **header}.items()))
        self._head = _encoded(_as_json(whole)) + b"."

    def sign(self, claims: Claims) -> str:
        """The token that says `claims`, in their order."""
        signed = self._head + _encoded(_as_json(claims))
        return (signed + b"." + self._signature(signed)).decode()

    def _signature(self, signed: bytes) -> bytes:
        return _encoded(self._algorithm.sign(signed, self._key))


class SecretSigner(Signer):
    """Signs with a secret (HS256), so that the same claims make the same token, to the byte."""

    def __init__(self, secret: bytes, header: Mapping[str, str]) -> None:
        super().__init__(secret, "HS256", header)

    def claims_of_own(self, token: str) -> object:
        """What a token of this signer says; None for any other, be it good or bad. Raises ValueError."""
        signed, _, signature = token.encode().rpartition(b".")
        if not signed.startswith(self._head) or not hmac.compare_digest(signature, self._signature(signed)):
            return None
        payload = signed.removeprefix(self._head)
        claims: object = json.loads(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
        return claims


def _as_json(members: Claims) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode()


def _encoded(part: bytes) -> bytes:
    return base64.urlsafe_b64encode(part).rstrip(b"=")
