"""Tokens as the auth service would have issued them at another time, signed with its own key."""

from functools import cache
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.faults.running_system import RunningSystem


def at_another_time(system: RunningSystem, access: str, seconds: int) -> str:
    """Return the access token as if it had been issued so many seconds later (negative: earlier)."""
    claims = claims_of(access)
    moved = {**claims, "iat": claims["iat"] + seconds, "exp": claims["exp"] + seconds}
    header = jwt.get_unverified_header(access)
    return jwt.encode(moved, _key(system.data_dir / "signing.pem"), algorithm=header["alg"], headers=header)


@cache
def _key(file: Path) -> RSAPrivateKey:
    key = load_pem_private_key(file.read_bytes(), password=None)
    assert isinstance(key, RSAPrivateKey)
    return key


def claims_of(token: str) -> dict[str, Any]:
    """Return a token's claims without verification."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims
