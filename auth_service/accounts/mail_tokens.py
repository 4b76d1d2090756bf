"""The tokens in the links of mails. Each is for one user and one purpose, and valid for a limited time.

A token is `<time of issue>-<authentication code>`: seconds since the epoch in base 36, and 256 bits of HMAC-SHA-256
in base64url. Nothing is stored. The code covers the user's status, password and e-mail address as they were, so a
token is no longer valid after one of them has changed. Using a token changes one of them, so it can be used once.
"""

import base64
import hmac
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from auth_service.accounts.email_addresses import email_key
from auth_service.accounts.user import AccountStatus, User

CLOCK_LEEWAY = 10
"""Seconds by which the clock of the process that issued a token may be ahead."""

MAIL_TOKEN = re.compile(r"([0-9a-z]{1,8})-[A-Za-z0-9_-]{43}", re.ASCII)
"""The form of a token. The group is the time of issue."""
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Purpose(StrEnum):
    """What a link in a mail is for."""

    ACTIVATION = "activation"
    PASSWORD_RESET = "password_reset"  # noqa: S105 - a purpose
    EMAIL_RESET = "email_reset"
    INVITATION = "invitation"


_STATUSES: Mapping[Purpose, Collection[AccountStatus]] = {
    Purpose.ACTIVATION: {AccountStatus.UNVERIFIED},
    # The link proves that the user owns the mailbox, so it verifies the address as well.
    Purpose.PASSWORD_RESET: {AccountStatus.UNVERIFIED, AccountStatus.ACTIVE},
    Purpose.EMAIL_RESET: {AccountStatus.ACTIVE},
    Purpose.INVITATION: {AccountStatus.UNVERIFIED},
}
"""The statuses of the users to whom a mail may be sent."""


def applies_to(purpose: Purpose, user: User) -> bool:
    """Return whether a link for `purpose` may be sent to the user and used."""
    return user.status in _STATUSES[purpose]


@dataclass(frozen=True, slots=True, repr=False)
class MailTokens:
    """Issues and verifies mail tokens. `lifetime` is in seconds.

    The first of the `secrets` is used for new tokens; tokens of the others are accepted. Keys are derived from them,
    so that no other use of a secret gives a token.
    """

    secrets: Callable[[], Sequence[str]]
    lifetime: int

    def issue(self, purpose: Purpose, user: User, now: float) -> str:
        """Return a token for `user`. Tokens of the same second are equal."""
        return _token(self.secrets()[0], purpose, user, int(now))

    def verify(self, purpose: Purpose, user: User, token: str, now: float) -> bool:
        """Return whether `token` was issued for this purpose and user, is not too old and not used."""
        if not applies_to(purpose, user):
            return False
        matched = MAIL_TOKEN.fullmatch(token)
        if not matched:
            return False
        issued_at = int(matched[1], 36)
        # The whole text is compared, so each token has one spelling. In constant time.
        expected = [_token(secret, purpose, user, issued_at) for secret in self.secrets()]
        is_authentic = any(hmac.compare_digest(one, token) for one in expected)
        return is_authentic and -CLOCK_LEEWAY <= now - issued_at <= self.lifetime


def _token(secret: str, purpose: Purpose, user: User, issued_at: int) -> str:
    key = hmac.digest(secret.encode(), b"mail tokens", "sha256")
    covered = [
        purpose,
        str(user.id),
        issued_at,
        user.status,
        user.password_changed_at,
        email_key(user.email),
        user.email_changed_at,
    ]
    code = hmac.digest(key, json.dumps(covered).encode(), "sha256")
    return f"{_base36(issued_at)}-{_base64url(code)}"


def encode_uid(user_id: UUID) -> str:
    """Return the user id as links in mails contain it, in the form of djoser."""
    return _base64url(str(user_id).encode())


def decode_uid(uid: str) -> UUID | None:
    """Return the user id in `uid`; None if it is not one that `encode_uid` returns."""
    try:
        user_id = UUID(base64.urlsafe_b64decode(uid + "=" * (-len(uid) % 4)).decode("ascii"))
    except ValueError:
        return None
    return user_id if encode_uid(user_id) == uid else None


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits or "0"
