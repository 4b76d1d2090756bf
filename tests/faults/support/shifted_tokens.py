"""Access tokens with shifted timestamps, signed with the auth service's key."""

from functools import cache
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.faults.support.running_system import RunningSystem


def shift_timestamps(system: RunningSystem, access: str, seconds: int) -> str:
    """Return the access token with `iat` and `exp` moved by `seconds`; negative values move them back."""
    claims = unverified_claims(access)
    moved = {**claims, "iat": claims["iat"] + seconds, "exp": claims["exp"] + seconds}
    header = jwt.get_unverified_header(access)
    return jwt.encode(moved, _key(system.data_dir / "signing.pem"), algorithm=header["alg"], headers=header)


@cache
def _key(file: Path) -> RSAPrivateKey:
    key = load_pem_private_key(file.read_bytes(), password=None)
    assert isinstance(key, RSAPrivateKey)
    return key


def unverified_claims(token: str) -> dict[str, Any]:
    """Return the claims of a token without verifying it."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims
