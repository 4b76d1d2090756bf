"""E-mail addresses: which are accepted, and which spellings name the same mailbox.

Accepted are the addresses that Django REST framework's EmailField accepts, except those with invisible characters or
impossible domains (docs/decisions/0020-e-mail-addresses.md lists the differences). There is no
DNS lookup.
"""

import re
import unicodedata
from ipaddress import ip_address

import idna

MAX_EMAIL_KEY = 320
"""Characters of an email_key."""

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

OWN_KEY_PREFIX = "\t"
"""The prefix of an own_key. No address contains a tab."""


def is_email(text: str) -> bool:
    """Return whether `text` is an address that an account may have."""
    local, at, domain = text.rpartition("@")
    if not at or not text.isprintable() or not (_DOT_ATOM.fullmatch(local) or _QUOTED.fullmatch(local)):
        return False
    if domain != _LOCALHOST and not _LITERAL.fullmatch(domain) and not _DOMAIN.fullmatch(domain):
        return False
    return _domain_key(domain) is not None and len(email_key(text)) <= MAX_EMAIL_KEY


def email_key(text: str) -> str:
    """Return the key of a mailbox: the same for all its spellings. It is defined for any text.

    The domain in its DNS form (IDNA 2008, RFC 5891), the local part case-folded and without needless quotes
    (RFC 5321 section 4.1.2).
    """
    local, at, domain = text.rpartition("@")
    if not at:
        return text
    return f"{_local_key(local)}@{_domain_key(domain) or _folded(domain)}"


def own_key(text: str) -> str:
    """Return the key of the other accounts of a mailbox that former versions registered more than once.

    Former versions used it for every account, so each of these is still found by the same spellings.
    """
    return OWN_KEY_PREFIX + _folded(text)


def _local_key(local: str) -> str:
    quoted = _QUOTED.fullmatch(local)
    if quoted:
        content = re.sub(r"\\(.)", r"\1", quoted[1])
        local = content if _DOT_ATOM.fullmatch(content) else '"' + re.sub(r'(["\\])', r"\\\1", content) + '"'
    return _folded(local)


def _domain_key(domain: str) -> str | None:
    """Return the domain in A-labels or the address literal in canonical form; None if it is neither."""
    literal = _LITERAL.fullmatch(domain)
    try:
        if literal:
            return f"[{ip_address(literal[1])}]"
        if domain.isascii() and "xn--" not in domain.lower():
            return domain.lower()
        return idna.encode(domain, uts46=True).decode("ascii").lower()
    except (ValueError, IndexError):  # IDNAError is a ValueError; a broken xn-- label can be either
        return None


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
