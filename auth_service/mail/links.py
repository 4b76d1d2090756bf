"""The links in mails. They begin with a configured URL, never with the Host of a request (OWASP WSTG-INPV-17)."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from auth_service.mail.outbox import MailKind


def check_base_url(text: str) -> str:
    """Return the base of links without its last slash. Raises ValueError."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be an http:// or https:// URL without query and fragment")
    if not text.isprintable() or " " in text:
        raise ValueError("must not contain spaces or control characters")
    return text.rstrip("/")


def check_link_pattern(text: str) -> str:
    """Return a pattern of links. Raises ValueError unless it has {uid} and {token}, once each, and nothing else."""
    rest = text.replace("{uid}", "", 1).replace("{token}", "", 1)
    if text.count("{uid}") != 1 or text.count("{token}") != 1 or "{" in rest or "}" in rest:
        raise ValueError("must contain {uid} and {token}, each once, and no other braces")
    if not text.isprintable() or " " in text:
        raise ValueError("must not contain spaces or control characters")
    return text


@dataclass(frozen=True, slots=True)
class Links:
    """The links of an installation. `base` is a URL without a slash at its end.

    A pattern is a path below `base`, or a whole URL, as apps with a scheme of their own need it.
    """

    base: str
    patterns: Mapping[MailKind, str]

    def link(self, kind: MailKind, uid: str, token: str) -> str:
        """Return the link of a mail. `uid` and `token` have only characters that need no escape in a URL."""
        path = self.patterns[kind].replace("{uid}", uid).replace("{token}", token)
        return path if "://" in path else f"{self.base}/{path.removeprefix('/')}"
