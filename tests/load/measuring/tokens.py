"""The tokens of a measurement: the signing key, the key set, and files of many tokens."""

import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from contract.claims import ACCESS, ACCESS_TYP, DEFAULT_ACCESS_AUDIENCE, DEFAULT_ISSUER

KEY_ID = "bench"
LIFETIME = 86_400
"""Seconds: longer than any measurement."""
_TOKENS_PER_TASK = 5_000
"""Tokens that one task of the process pool signs."""


@dataclass(frozen=True, slots=True)
class TokenFile:
    """A file with one token per line, all of the same length and all different."""

    path: Path
    tokens: int

    def offset(self, token: int) -> int:
        """Return the offset in bytes of the token with this number, modulo the number of tokens."""
        return (token % self.tokens) * (self.path.stat().st_size // self.tokens)


class Signer:
    """Sign access tokens as the auth service does: one user, a session for each token."""

    def __init__(self) -> None:
        self._key = generate_private_key(public_exponent=65537, key_size=2048)

    @property
    def public_pem(self) -> str:
        """Return the public key as PEM."""
        pem = self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return pem.decode()

    @property
    def key_set(self) -> str:
        """Return the key set (RFC 7517)."""
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return json.dumps({"keys": [{**public, "kid": KEY_ID, "alg": "RS256", "use": "sig"}]})

    def sign(self) -> str:
        """Return a token."""
        return _sign(self._key, int(time.time()))

    def write(self, path: Path, tokens: int) -> TokenFile:
        """Write many tokens, signed on all cores: each takes 200 us or more."""
        pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        shares = [min(_TOKENS_PER_TASK, tokens - begun) for begun in range(0, tokens, _TOKENS_PER_TASK)]
        with path.open("w") as file, ProcessPoolExecutor() as pool:
            file.writelines(pool.map(partial(_sign_many, pem), shares))
        return TokenFile(path, tokens)


def _sign_many(pem: bytes, tokens: int) -> str:
    key = load_pem_private_key(pem, None)
    assert isinstance(key, RSAPrivateKey)
    now = int(time.time())
    return "".join(_sign(key, now) + "\n" for _ in range(tokens))


def _sign(key: RSAPrivateKey, now: int) -> str:
    subject = "d7c9c0e3-89f0-4b5d-93a3-7f1304945011"
    claims = {
        "token_type": ACCESS,
        "type": ACCESS,  # flask-jwt-extended's name for it
        "iat": now,
        "exp": now + LIFETIME,
        "jti": os.urandom(16).hex(),
        "sub": subject,
        "user_id": subject,
        "sid": os.urandom(16).hex(),
        "generation": 0,
        "email": "ann@example.com",
        "roles": "",
        "iss": DEFAULT_ISSUER,
        "aud": DEFAULT_ACCESS_AUDIENCE,
    }
    return jwt.encode(claims, key, algorithm="RS256", headers={"typ": ACCESS_TYP, "kid": KEY_ID})
