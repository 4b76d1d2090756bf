"""Defines an origin (RFC 6454) and the list of origins whose pages may use the gateway.

An origin is a scheme, a host and a port. Two origins are the same when all three are, and a scheme's default port
may be left out. CORS, the cross-site check of cookie requests and the WebSocket handshake all read Origin here.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import NamedTuple

_DEFAULT_PORTS = {"http": 80, "https": 443}
_FORM = re.compile(
    r"([a-z][a-z0-9+.-]{0,31})://([a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::([0-9]{1,5}|\*))?", re.ASCII
)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
_ANY_PORT = "*"

LONGEST_SHOWN = 200
"""Characters of an Origin that a log line or a problem detail shows."""


class Origin(NamedTuple):
    """Scheme, host and port; `port` is None where the scheme has no default port and none was given."""

    scheme: str
    host: str
    port: int | None

    def __str__(self) -> str:
        """The origin as a browser writes it. RFC 6454 6.2."""
        is_default = self.port is None or self.port == _DEFAULT_PORTS.get(self.scheme)
        return f"{self.scheme}://{self.host}" if is_default else f"{self.scheme}://{self.host}:{self.port}"


def read_origin(text: str) -> Origin | None:
    """The origin in an Origin field; None for `null` and for everything that is not an origin."""
    parts = _parts(text)
    if parts is None:
        return None
    scheme, host, port = parts
    if port == _ANY_PORT:
        return None
    return _origin(scheme, host, port)


def own_origin(scheme: str, host: str | None) -> Origin | None:
    """The gateway's own origin, as the client of a request saw it: its scheme and its Host field."""
    return read_origin(f"{scheme}://{host}") if host else None


@dataclass(frozen=True, slots=True)
class AllowedOrigins:
    """Origins that may use the gateway besides its own; of those in `any_port` the port does not matter."""

    exact: frozenset[Origin] = frozenset()
    any_port: frozenset[tuple[str, str]] = frozenset()

    def __contains__(self, origin: object) -> bool:
        """Whether `origin` is allowed."""
        return isinstance(origin, Origin) and (origin in self.exact or origin[:2] in self.any_port)

    def __bool__(self) -> bool:
        """Whether any is."""
        return bool(self.exact or self.any_port)


def read_allowed_origins(text: str) -> AllowedOrigins:
    """The origins in a comma-separated list. Raises ValueError, which names the entry that is none."""
    exact: set[Origin] = set()
    any_port: set[tuple[str, str]] = set()
    for entry in filter(None, (entry.strip() for entry in text.split(","))):
        parts = _parts(entry)
        if parts is None:
            raise ValueError(_reason(entry))
        scheme, host, port = parts
        if port == _ANY_PORT:
            if host not in _LOOPBACK:
                raise ValueError(_reason(entry))
            any_port.add((scheme, host))
        elif origin := _origin(scheme, host, port):
            exact.add(origin)
        else:
            raise ValueError(_reason(entry))
    return AllowedOrigins(frozenset(exact), frozenset(any_port))


def shown(origin: str) -> str:
    """An Origin field as a log line or a problem detail shows it: short, and printable."""
    return ascii(origin[:LONGEST_SHOWN])[1:-1]


def why_refused(origin: str, own: Origin | None) -> str:
    """Why an Origin field is neither `own`, the gateway's, nor allowed: for the log and the problem detail."""
    known = read_origin(origin)
    if origin == "null":
        return "The Origin is null, as from a local file or a sandboxed frame: serve the page by http or https."
    if known is None:
        return f"The Origin {shown(origin)} is not scheme://host[:port]."
    reason = f"The Origin {shown(origin)} is neither the gateway's own ({own}) nor one of ALLOWED_ORIGINS."
    if own is not None and known.host == own.host and (known.scheme, own.scheme) == ("https", "http"):
        reason += " If TLS ends at a proxy in front of the gateway, name that proxy in TRUSTED_PROXIES."
    return reason


def is_surely_another_site(one: Origin, other: Origin) -> bool:
    """Whether two origins cannot be one site, whatever the public suffix list says of their hosts.

    Ports do not matter. The hosts of a site share at least their last two labels.
    """
    if one.host == other.host:
        return False
    labels, others = one.host.split("."), other.host.split(".")
    return _is_address(one.host) or _is_address(other.host) or labels[-2:] != others[-2:]


def _is_address(host: str) -> bool:
    return host.startswith("[") or host.replace(".", "").isdecimal()


def _parts(text: str) -> tuple[str, str, str | None] | None:
    match = _FORM.fullmatch(text.lower()) if text.isascii() else None
    return (match[1], match[2], match[3]) if match else None


def _origin(scheme: str, host: str, port: str | None) -> Origin | None:
    if host.startswith("["):
        try:
            host = f"[{IPv6Address(host[1:-1])}]"
        except ValueError:
            return None
    number = int(port) if port else _DEFAULT_PORTS.get(scheme)
    return Origin(scheme, host, number) if number is None or 0 < number < 65_536 else None


def _reason(entry: str) -> str:
    if entry == "*":
        return "cannot hold '*': requests carry credentials, so every origin has to be named (Fetch, 3.2.5)"
    if entry == "null":
        return "cannot hold 'null': every local file and every sandboxed frame has that origin"
    if "*" in entry:
        return f"cannot hold {entry!r}: name each origin; '*' may only be a port, of localhost, 127.0.0.1 or [::1]"
    if "://" not in entry:
        return f"needs a scheme in {entry!r}: 'https://{entry}' or 'http://{entry}'"
    scheme, _, rest = entry.partition("://")
    without_path = f"{scheme}://{rest.partition('/')[0]}"
    if without_path != entry and read_origin(without_path):
        return f"cannot hold {entry!r}: an origin has no path; write {without_path!r}"
    return (
        f"must list origins as scheme://host or scheme://host:port, separated by commas; {entry!r} is not an origin"
    )
