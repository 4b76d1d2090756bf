"""A credential as Keycloak stores it by default since version 25."""

import base64
import json

from nacl.pwhash import argon2id


def argon2_credential(password: str) -> dict[str, str]:
    """Return the credential of a password."""
    salt = b"0123456789abcdef"
    key = argon2id.kdf(32, password.encode(), salt, opslimit=5, memlimit=7168 * 1024)
    secret = {"value": base64.b64encode(key).decode(), "salt": base64.b64encode(salt).decode()}
    parameters = {"hashLength": ["32"], "memory": ["7168"], "type": ["id"], "version": ["1.3"], "parallelism": ["1"]}
    data = {"hashIterations": 5, "algorithm": "argon2", "additionalParameters": parameters}
    return {"type": "password", "secretData": json.dumps(secret), "credentialData": json.dumps(data)}
