"""The seal by which the gateway marks an access token that it fetched itself, and that no client has sent.

Such a token does not prove that the client received it: the response that carries it may still be lost. The auth
service therefore does not count it as seen in use.
"""

import hmac

FETCHED_HEADER = "X-Fetched-Token"
"""On requests to the auth service: the seal of the token in Authorization. Never accepted from clients."""

_PURPOSE = b"sallyport fetched access token\0"


def seal_fetched(token: str, secret: str) -> str:
    """Return the seal of `token`: HMAC-SHA256 under the peer secret, in hexadecimal. It fits this token only."""
    return hmac.digest(secret.encode(), _PURPOSE + token.encode("latin-1", "replace"), "sha256").hex()


def is_fetched(token: str, seal: str, secret: str) -> bool:
    """Return whether `seal` is the gateway's seal of `token`. Compares in constant time."""
    return bool(seal) and hmac.compare_digest(seal.encode("latin-1", "replace"), seal_fetched(token, secret).encode())
