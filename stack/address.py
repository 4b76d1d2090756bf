"""Listen addresses: a Unix socket, or a TCP port of this machine."""

import re
from dataclasses import dataclass
from pathlib import Path

_BIND = re.compile(r"(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):(?P<port>[0-9]{1,5})")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_LOOPBACK_OF_WILDCARD = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - compared here, not bound


@dataclass(frozen=True, slots=True)
class UnixSocket:
    """A Unix socket. Every user who can enter its folder can connect."""

    path: Path

    @property
    def bind(self) -> str:
        """Return the address in the form of gunicorn's `bind`."""
        return f"unix:{self.path}"

    @property
    def url(self) -> str:
        """Return the address in the form of the settings AUTH_URL and RESOURCE_URL. It equals `bind`."""
        return self.bind


@dataclass(frozen=True, slots=True)
class Port:
    """A TCP port. `host` contains the brackets of an IPv6 address."""

    host: str
    number: int

    @property
    def bind(self) -> str:
        """Return the address in the form of gunicorn's `bind`."""
        return f"{self.host}:{self.number}"

    @property
    def url(self) -> str:
        """Return the URL for clients on this machine."""
        return f"http://{self.reachable_host}:{self.number}"

    @property
    def is_loopback(self) -> bool:
        """Return whether only this machine can connect."""
        return self.host in _LOOPBACK

    @property
    def reachable_host(self) -> str:
        """Return the host for clients on this machine: loopback if the port listens on all interfaces."""
        return _LOOPBACK_OF_WILDCARD.get(self.host, self.host)


Address = UnixSocket | Port


def parse_bind(text: str) -> Address:
    """Parse `host:port` or `unix:/path`. Raises ValueError with the expected form."""
    if text.startswith("unix:/"):
        return UnixSocket(Path(text.removeprefix("unix:")))
    match = _BIND.fullmatch(text)
    if match is None or not 0 < int(match["port"]) < 65536:
        raise ValueError("must be host:port or unix:/path")
    return Port(match["host"], int(match["port"]))


def parse_local_url(text: str) -> Address:
    """Parse `http://127.0.0.1:port` or `unix:/path`. Raises ValueError with the expected form.

    The host may also be `localhost` or `[::1]`, and `http://` may be missing.
    """
    expected = "must be http://127.0.0.1:PORT or unix:/path, because the stack starts that service itself"
    try:
        address = parse_bind(text.removeprefix("http://").removesuffix("/"))
    except ValueError:
        raise ValueError(expected) from None
    if isinstance(address, Port) and not address.is_loopback:
        raise ValueError(expected)
    return address
