"""The rules for new passwords: long enough, not common, not all digits, not similar to what is known of the user."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path

from auth_service.accounts.passwords.hash_schemes import normalized

MAX_PASSWORD = 256
"""Characters of a password. A longer one is refused before it is hashed."""

_MAX_SIMILARITY = 0.7
"""As in Django. A password that is at least this similar to the e-mail address or to a part of it is refused."""
_COMMON_PASSWORDS = Path(__file__).with_name("common_passwords.txt")


@dataclass(frozen=True, slots=True)
class PasswordRules:
    """The rules for new passwords. `min_length` is in characters."""

    min_length: int

    def complaints(self, password: str, email: str, *, first_name: str = "", last_name: str = "") -> list[str]:
        """Return a text for each rule that `password` breaks, with the texts of Django."""
        password = normalized(password)
        folded = password.lower()
        checks = {
            f"This password is too short. It must contain at least {self.min_length} characters.": (
                len(password) < self.min_length
            ),
            "This password is too common.": folded in _common_passwords(),
            "This password is entirely numeric.": password.isdigit(),
            "The password is too similar to the email.": _is_similar(folded, email.lower()),
            "The password is too similar to the first name.": _is_similar(folded, first_name.lower()),
            "The password is too similar to the last name.": _is_similar(folded, last_name.lower()),
        }
        return [complaint for complaint, applies in checks.items() if applies]


@cache
def _common_passwords() -> Collection[str]:
    lines = _COMMON_PASSWORDS.read_text(encoding="ascii").splitlines()
    return frozenset(line for line in lines if not line.startswith("# "))


def _is_similar(password: str, text: str) -> bool:
    parts: Sequence[str] = [part for part in (*re.split(r"\W+", text), text) if part]
    return any(_similarity(password, part) >= _MAX_SIMILARITY for part in parts)


def _similarity(password: str, part: str) -> float:
    # As in Django: a part that is much shorter than the password cannot be similar, and a comparison is slow.
    if len(password) >= 10 * len(part):
        return 0.0
    return SequenceMatcher(a=password, b=part).quick_ratio()
