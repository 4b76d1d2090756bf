"""Tokens of another system that a client still has: the id of the session for which each is exchanged."""

import hashlib


def foreign_sid(token_type: str, jti: str) -> str:
    """Return the id of the session for a token, by its `jti`: the same for every request that presents it.

    Parallel requests and a request after a lost answer therefore get one session.
    """
    return hashlib.sha256(f"simplejwt {token_type} {jti}".encode()).hexdigest()[:32]
