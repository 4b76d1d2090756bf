"""The two tokens of a session, and the interface of the stores that keep them."""

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Tokens:
    """The access and the refresh token. Neither is part of the representation, so that no log shows them."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)

    @property
    def access_lifetime(self) -> float | None:
        """Return the lifetime of the access token in seconds: `exp` minus `iat`; None if it does not say."""
        claims = _claims(self.access)
        issued_at, expires_at = claims.get("iat"), claims.get("exp")
        if isinstance(issued_at, int | float) and isinstance(expires_at, int | float):
            return float(expires_at - issued_at)
        return None

    @property
    def user(self) -> str:
        """Return the id of the user; empty if the token does not say."""
        claims = _claims(self.refresh)
        return str(claims.get("user_id", claims.get("sub", "")))

    def is_newer_than(self, other: "Tokens") -> bool:
        """Return whether these tokens replaced `other`: the same session, and a later rotation."""
        mine, others = _claims(self.refresh), _claims(other.refresh)
        if "sid" not in mine or mine["sid"] != others.get("sid"):
            return False
        rotations, other_rotations = mine.get("generation"), others.get("generation")
        if isinstance(rotations, int) and isinstance(other_rotations, int):
            return rotations > other_rotations
        return False


class TokenStore(Protocol):
    """Keeps the tokens of one session. Methods may be called from any thread, but never two at once by one Session.

    `save` must store both tokens or neither, also if the process is killed meanwhile.
    """

    def load(self) -> Tokens | None:
        """Return the stored tokens, None if there are none. Raises StoreError or OSError."""

    def save(self, tokens: Tokens) -> None:
        """Replace the stored tokens. Raises StoreError or OSError; the earlier tokens are then still stored."""

    def clear(self) -> None:
        """Remove the stored tokens, if there are any."""


class MemoryStore:
    """Keeps the tokens until the process ends."""

    def __init__(self, tokens: Tokens | None = None) -> None:
        self._tokens = tokens

    def load(self) -> Tokens | None:
        """Return the stored tokens."""
        return self._tokens

    def save(self, tokens: Tokens) -> None:
        """Replace the stored tokens."""
        self._tokens = tokens

    def clear(self) -> None:
        """Remove the stored tokens."""
        self._tokens = None


def _claims(token: str) -> dict[str, Any]:
    """Return the claims of a JWT without verifying them; the server verifies them. Empty if it is no JWT."""
    payload = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, binascii.Error):
        return {}
    return claims if isinstance(claims, dict) else {}
