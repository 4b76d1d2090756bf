"""Sign webhooks as Standard Webhooks 1.0.0 specifies, and create and read the secrets `whsec_...`."""

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping, Sequence

SECRET_PREFIX = "whsec_"  # noqa: S105 - the beginning of every secret
SHORTEST_SECRET = 24
"""Bytes of a secret at least."""
LONGEST_SECRET = 64
"""Bytes of a secret at most."""

_NEW_SECRET = 32


def new_secret() -> str:
    """Return a random secret."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_NEW_SECRET)).decode()


def secret_key(text: str) -> bytes:
    """Return the bytes of a secret `whsec_` and base64. Raises ValueError, whose text does not contain the secret."""
    if not text.startswith(SECRET_PREFIX):
        raise ValueError(f"must begin with {SECRET_PREFIX}")
    try:
        key = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"must be base64 after {SECRET_PREFIX}") from None
    if not SHORTEST_SECRET <= len(key) <= LONGEST_SECRET:
        raise ValueError(f"must have {SHORTEST_SECRET} to {LONGEST_SECRET} bytes in base64, not {len(key)}")
    return key


def signed_headers(message_id: str, body: bytes, keys: Sequence[bytes], now: float) -> Mapping[str, str]:
    """Return the header fields that authenticate a message which is sent at `now`, with a signature by each key."""
    timestamp = str(int(now))
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    signatures = (base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
