"""Mailboxes in headers and envelopes: an address in ASCII, and the display name of the sender."""

from dataclasses import dataclass
from email.headerregistry import Address
from email.utils import parseaddr

from auth_service.accounts.email_addresses import email_key, is_email


def wire_address(email: str) -> str:
    """Return an address as SMTP needs it without SMTPUTF8: its domain in A-labels (RFC 5890). Raises ValueError.

    The local part keeps its spelling, because the receiving server may distinguish upper and lower case.
    """
    if not is_email(email):
        raise ValueError("is not a valid e-mail address")
    local = email.rpartition("@")[0]
    domain = email_key(email).rpartition("@")[2]
    return f"{local}@{domain}"


@dataclass(frozen=True, slots=True)
class Mailbox:
    """The sender of mails. `name` may be empty; `address` is in ASCII."""

    name: str
    address: str

    @property
    def domain(self) -> str:
        """Return the domain of the address, in A-labels."""
        return self.address.rpartition("@")[2]

    @property
    def header(self) -> Address:
        """Return the value of a From header."""
        local, _, domain = self.address.rpartition("@")
        return Address(self.name, local, domain)


def parse_mailbox(text: str) -> Mailbox:
    """Return the mailbox in `text`: `ann@example.org`, or `Ann <ann@example.org>`. Raises ValueError.

    The name may be in quotes and may contain any printable character, also `@`, which RFC 5322 allows in quotes only.
    """
    if not text.isprintable():
        raise ValueError("must be on one line, without control characters")
    name, bracket, rest = text.strip().rpartition("<")
    address = rest.removesuffix(">") if bracket else rest
    if bracket and not rest.endswith(">"):
        raise ValueError('must be an address, or a name and an address: "Example <no-reply@example.org>"')
    try:
        return Mailbox(_unquoted(name.strip()), wire_address(address.strip()))
    except ValueError as error:
        raise ValueError(f'{error}; it must be like "Example <no-reply@example.org>"') from error


def _unquoted(name: str) -> str:
    if not name.startswith('"'):
        return name
    return parseaddr(f"{name} <name@example.org>")[0] or name.strip('"')
