"""Owns how the gateway tells the auth service that it fetched the access token of a request, and no client sent it.

Such a token says nothing about what a client has received: the answer that brings it may still be lost. The auth
service therefore does not count it as seen in use.
"""

import hmac

FETCHED_HEADER = "X-Fetched-Token"
"""On requests to the auth service: the seal of the access token in Authorization. Never taken from a client."""

_PURPOSE = b"sallyport fetched access token\0"


def seal_fetched(token: str, secret: str) -> str:
    """The seal by which the gateway declares `token` its own: HMAC-SHA256 under the peer secret, in hexadecimal.

    It is bound to one token, so it opens nothing else.
    """
    return hmac.digest(secret.encode(), _PURPOSE + token.encode("latin-1", "replace"), "sha256").hex()


def is_fetched(token: str, seal: str, secret: str) -> bool:
    """Whether `seal` is the gateway's for this very token."""
    return bool(seal) and hmac.compare_digest(seal.encode("latin-1", "replace"), seal_fetched(token, secret).encode())
