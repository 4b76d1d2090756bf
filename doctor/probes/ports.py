"""Find out whether other machines can reach ports that are meant for this machine only."""

import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 1.0
_ROUTES = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses for documentation (RFC 5737, RFC 3849). The kernel chooses the own address; nothing is sent."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class OpenPort:
    """A server for this machine only that answers at another own address, too."""

    server: str
    address: str
    port: int


def own_addresses() -> tuple[str, ...]:
    """Return the addresses of this machine from which it reaches other machines."""
    found = []
    for family, remote in _ROUTES:
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((remote, 9))
            found.append(str(probe.getsockname()[0]))
    return tuple(address for address in found if not ip_address(address).is_loopback)


def open_ports(
    servers: Mapping[str, tuple[str, int]], addresses: tuple[str, ...] | None = None
) -> tuple[OpenPort, ...]:
    """Return the servers on loopback that accept connections at `addresses`, by default own_addresses()."""
    found = own_addresses() if addresses is None else addresses
    return tuple(
        OpenPort(server, address, port)
        for server, (host, port) in servers.items()
        if host in _LOOPBACK
        for address in found
        if _accepts(address, port)
    )


def is_loopback(host: str) -> bool:
    """Return whether a host of a setting is this machine's loopback."""
    return host.strip("[]") in _LOOPBACK or host.startswith("127.")


def is_public_https(url: str) -> bool:
    """Return whether a URL is https, and not of this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" and not is_loopback(parts.hostname or "")


def is_public(host: str) -> bool:
    """Return whether a host has an address that the Internet routes. A name that cannot be resolved has none."""
    try:
        found = {info[4][0] for info in socket.getaddrinfo(host.strip("[]"), None)}
    except OSError:
        return False
    return any(ip_address(str(address).partition("%")[0]).is_global for address in found)


def _accepts(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), TIMEOUT_SECONDS).close()
    except OSError:
        return False
    return True
