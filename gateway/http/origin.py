"""Origins (RFC 6454), and the list of origins that may use the gateway (ALLOWED_ORIGINS).

Two origins are the same if their schemes, hosts and ports are; the default port of a scheme may be omitted. CORS, the
CSRF check and the WebSocket handshake all use this parser.
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

MAX_PRINTED_LENGTH = 200
"""Maximum number of characters of an Origin in a log line or a problem detail."""


class Origin(NamedTuple):
    """Scheme, host and port; `port` is None if the scheme has no default port and none was given."""

    scheme: str
    host: str
    port: int | None

    def __str__(self) -> str:
        """Return the origin as a browser writes it (RFC 6454 6.2)."""
        is_default = self.port is None or self.port == _DEFAULT_PORTS.get(self.scheme)
        return f"{self.scheme}://{self.host}" if is_default else f"{self.scheme}://{self.host}:{self.port}"


def parse_origin(text: str) -> Origin | None:
    """Return the origin in an Origin field; None for `null` and for a malformed value."""
    parts = _parts(text)
    if parts is None:
        return None
    scheme, host, port = parts
    if port == _ANY_PORT:
        return None
    return _origin(scheme, host, port)


def own_origin(scheme: str, host: str | None) -> Origin | None:
    """Return the gateway's own origin: the scheme and Host of the client's request; None without a valid Host."""
    return parse_origin(f"{scheme}://{host}") if host else None


@dataclass(frozen=True, slots=True)
class AllowedOrigins:
    """Origins that may use the gateway besides its own. `any_port` holds scheme and host of those with any port."""

    exact: frozenset[Origin] = frozenset()
    any_port: frozenset[tuple[str, str]] = frozenset()

    def __contains__(self, origin: object) -> bool:
        """Return whether `origin` is allowed."""
        return isinstance(origin, Origin) and (origin in self.exact or origin[:2] in self.any_port)

    def __bool__(self) -> bool:
        """Return whether any origin is allowed."""
        return bool(self.exact or self.any_port)


def parse_allowed_origins(text: str) -> AllowedOrigins:
    """Return the origins in a comma-separated list. Raises ValueError with the first malformed entry."""
    exact: set[Origin] = set()
    any_port: set[tuple[str, str]] = set()
    for entry in filter(None, (entry.strip() for entry in text.split(","))):
        parts = _parts(entry)
        if parts is None:
            raise ValueError(_entry_error(entry))
        scheme, host, port = parts
        if port == _ANY_PORT:
            if host not in _LOOPBACK:
                raise ValueError(_entry_error(entry))
            any_port.add((scheme, host))
        elif origin := _origin(scheme, host, port):
            exact.add(origin)
        else:
            raise ValueError(_entry_error(entry))
    return AllowedOrigins(frozenset(exact), frozenset(any_port))


def printable(origin: str) -> str:
    """Return the beginning of an Origin field in printable ASCII, for log lines and problem details."""
    return ascii(origin[:MAX_PRINTED_LENGTH])[1:-1]


def origin_refusal(origin: str, own: Origin | None) -> str:
    """Return the reason why an Origin field is refused, as a sentence. `own` is the gateway's own origin."""
    parsed = parse_origin(origin)
    if origin == "null":
        return "The Origin is null, as from a local file or a sandboxed frame: serve the page by http or https."
    if parsed is None:
        return f"The Origin {printable(origin)} is not scheme://host[:port]."
    reason = f"The Origin {printable(origin)} is neither the gateway's own ({own}) nor one of ALLOWED_ORIGINS."
    if own is not None and parsed.host == own.host and (parsed.scheme, own.scheme) == ("https", "http"):
        reason += " If TLS ends at a proxy in front of the gateway, name that proxy in TRUSTED_PROXIES."
    return reason


def is_certainly_cross_site(one: Origin, other: Origin) -> bool:
    """Return whether two origins are of different sites, without using the public suffix list.

    Ports are ignored. Hosts of the same site share at least their last two labels. Hosts that share them may still be
    of different sites; the result is then False.
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


def _entry_error(entry: str) -> str:
    if entry == "*":
        return "must not contain '*': requests carry credentials, so every origin has to be named (Fetch, 3.2.5)"
    if entry == "null":
        return "must not contain 'null': every local file and every sandboxed frame has that origin"
    if "*" in entry:
        return (
            f"must not contain {entry!r}: name each origin; '*' may only be a port, of localhost, 127.0.0.1 or [::1]"
        )
    if "://" not in entry:
        return f"needs a scheme in {entry!r}: 'https://{entry}' or 'http://{entry}'"
    scheme, _, rest = entry.partition("://")
    without_path = f"{scheme}://{rest.partition('/')[0]}"
    if without_path != entry and parse_origin(without_path):
        return f"must not contain {entry!r}: an origin has no path; write {without_path!r}"
    return (
        f"must list origins as scheme://host or scheme://host:port, separated by commas; {entry!r} is not an origin"
    )
