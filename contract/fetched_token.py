"""The MAC by which the gateway marks a fetched token: an access token that it obtained itself, not from the client.

A fetched token does not prove that the client received it: the response that carries it may still be lost. So the
auth service does not record its generation as used.
"""

import hmac

FETCHED_TOKEN_HEADER = "X-Fetched-Token"  # noqa: S105 - a header name
"""A header of requests to the auth service: the MAC of the token in Authorization. Never accepted from clients."""

# Begins the message of this MAC and of no other under the same secret: a peer token begins with base64url.
_CONTEXT = b"sallyport fetched access token\0"


def fetched_token_mac(token: str, secret: str) -> str:
    """Return the MAC of `token`: HMAC-SHA256 under the peer secret, in lower-case hexadecimal."""
    return hmac.digest(secret.encode(), _CONTEXT + token.encode("latin-1", "replace"), "sha256").hex()


def is_fetched_token(token: str, mac: str, secret: str) -> bool:
    """Return whether `mac` is the gateway's MAC of `token`. Compares in constant time."""
    expected = fetched_token_mac(token, secret).encode()
    return bool(mac) and hmac.compare_digest(mac.encode("latin-1", "replace"), expected)
