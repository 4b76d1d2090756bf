"""Check e-mail addresses, and find out which spellings name the same mailbox.

The service accepts the addresses that EmailField of Django REST framework accepts, except those with invisible
characters or impossible domains. docs/decisions/0020-e-mail-addresses.md lists the differences. There is no DNS
lookup.
"""

import re
import unicodedata
from ipaddress import ip_address

import idna

MAX_EMAIL_KEY = 320
"""Characters of an `email_key`: 64 of the local part, `@`, and 255 of the domain (RFC 5321 4.5.3.1)."""

_ATOM = r"[-!#$%&'*+/=?^_`{}|~0-9A-Z]+"
_DOT_ATOM = re.compile(rf"{_ATOM}(?:\.{_ATOM})*", re.IGNORECASE | re.ASCII)
_QUOTED = re.compile(r'"((?:[!#-\[\]-~]|\\[ -~])*)"', re.ASCII)
_LETTER = "a-zA-Z\u00a1-\uffff"
_DOMAIN = re.compile(
    rf"[{_LETTER}0-9](?:[{_LETTER}0-9-]{{0,61}}[{_LETTER}0-9])?"
    rf"(?:\.(?!-)[{_LETTER}0-9-]{{1,63}}(?<!-))*"
    rf"\.(?!-)(?:[{_LETTER}-]{{2,63}}|[xX][nN]--[a-zA-Z0-9]{{1,59}})(?<!-)"
)
_LITERAL = re.compile(r"\[([A-Fa-f0-9:.]+)\]", re.ASCII)
_LOCALHOST = "localhost"

LEGACY_KEY_PREFIX = "\t"
"""The prefix of a `legacy_key`. No address contains a tab."""


def is_email(text: str) -> bool:
    """Return whether `text` is an address that an account may have."""
    local, at, domain = text.rpartition("@")
    if not at or not text.isprintable() or not (_DOT_ATOM.fullmatch(local) or _QUOTED.fullmatch(local)):
        return False
    if domain != _LOCALHOST and not _LITERAL.fullmatch(domain) and not _DOMAIN.fullmatch(domain):
        return False
    return _domain_key(domain) is not None and len(email_key(text)) <= MAX_EMAIL_KEY


def email_key(text: str) -> str:
    """Return the key of a mailbox, which is the same for all its spellings. `text` may be any text.

    The key has the domain in its DNS form (IDNA 2008, RFC 5891). The local part is case-folded and has no quotes that
    it does not need (RFC 5321 section 4.1.2).
    """
    local, at, domain = text.rpartition("@")
    if not at:
        return text
    return f"{_local_key(local)}@{_domain_key(domain) or _folded(domain)}"


def legacy_key(text: str) -> str:
    """Return the key of an account whose mailbox another account has as well, or whose `email_key` is too long.

    Former versions compared fewer spellings, so two accounts could have one mailbox. One of them has the `email_key`.
    The others have this key, which is the former key with a prefix, and are found by the spellings that found them
    before.
    """
    return LEGACY_KEY_PREFIX + _folded(text)


def _local_key(local: str) -> str:
    quoted = _QUOTED.fullmatch(local)
    if quoted:
        content = re.sub(r"\\(.)", r"\1", quoted[1])
        local = content if _DOT_ATOM.fullmatch(content) else '"' + re.sub(r'(["\\])', r"\\\1", content) + '"'
    return _folded(local)


def _domain_key(domain: str) -> str | None:
    """Return a domain name in A-labels, or an address literal in canonical form; None if it is neither."""
    literal = _LITERAL.fullmatch(domain)
    try:
        if literal:
            return f"[{ip_address(literal[1])}]"
        if domain.isascii() and "xn--" not in domain.lower():
            return domain.lower()
        return idna.encode(domain, uts46=True).decode("ascii").lower()
    except (ValueError, IndexError):  # IDNAError is a ValueError; a broken xn-- label raises either
        return None


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
