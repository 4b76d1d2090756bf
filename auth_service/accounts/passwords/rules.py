"""The rules for new passwords: long enough, not common or breached, not similar to words that an attacker tries.

NIST SP 800-63B: a minimum length, a blocklist and context words, and no rules about kinds of characters. The rule
against passwords of digits only is djoser's and can be switched off.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path

from auth_service.accounts.passwords.breached import BreachedPasswords
from auth_service.accounts.passwords.hash_schemes import normalized

MAX_PASSWORD = 256
"""Characters of a password. A longer one is refused before it is hashed."""

MAX_BLOCKLIST = 16 * 1024 * 1024
"""Bytes of a file with additional common passwords, which every process keeps in memory."""

_MAX_SIMILARITY = 0.7
"""As in Django. A password that is at least this similar to the e-mail address or to a part of it is refused."""
_BREACHED = "This password has appeared in a data breach, so attackers try it. Choose a different one."
_COMMON_PASSWORDS = Path(__file__).with_name("common_passwords.txt")


@dataclass(frozen=True, slots=True)
class PasswordRules:
    """The rules for new passwords.

    `min_length` is in characters. `blocklist` has more common passwords, in the form of read_blocklist.
    `context_words` are words such as the name of this service.
    """

    min_length: int
    allow_numeric: bool = False
    blocklist: Collection[str] = frozenset()
    context_words: Sequence[str] = field(default=())
    breached: BreachedPasswords | None = None

    def complaints(self, password: str, email: str, *, first_name: str = "", last_name: str = "") -> list[str]:
        """Return a text for each rule that `password` breaks, with the texts of Django where it has the rule.

        The list of breached passwords is read only for a password that breaks no other rule.
        """
        found = self._broken_rules(normalized(password), email, first_name, last_name)
        if not found and self.breached and self.breached.contains(password):
            return [_BREACHED]
        return found

    def _broken_rules(self, password: str, email: str, first_name: str, last_name: str) -> list[str]:
        folded = password.lower()
        checks = {
            f"This password is too short. It must contain at least {self.min_length} characters.": (
                len(password) < self.min_length
            ),
            "This password is too common.": (folded in _common_passwords() or folded in self.blocklist),
            "This password is entirely numeric.": password.isdigit() and not self.allow_numeric,
            "The password is too similar to the email.": _is_similar(folded, email.lower()),
            "The password is too similar to the first name.": _is_similar(folded, first_name.lower()),
            "The password is too similar to the last name.": _is_similar(folded, last_name.lower()),
            "The password is too similar to the name of this service.": any(
                _is_similar(folded, normalized(word).lower()) for word in self.context_words
            ),
        }
        return [complaint for complaint, applies in checks.items() if applies]


def read_blocklist(file: Path) -> Collection[str]:
    """Return the passwords of a UTF-8 file with one password a line. Raises ValueError with the reason."""
    try:
        if file.stat().st_size > MAX_BLOCKLIST:
            raise ValueError(f"must have at most {MAX_BLOCKLIST} bytes; BREACHED_PASSWORDS takes longer lists")
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError("must be UTF-8 text") from error
    return frozenset(normalized(line.strip()).lower() for line in lines)


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
