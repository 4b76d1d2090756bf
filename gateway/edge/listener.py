"""How HAProxy listens, and where the gateway is: the options of `gateway edge haproxy`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_ADDRESS = re.compile(r"(?:[A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+\]|\*):[0-9]{1,5}|unix:/[A-Za-z0-9._/-]+", re.ASCII)
_IPV4 = re.compile(r"[0-9.]*:[0-9]+", re.ASCII)
_PATH = re.compile(r"/[A-Za-z0-9._/-]+", re.ASCII)


class ListenerError(ValueError):
    """An option is invalid. The message names it."""


@dataclass(frozen=True, slots=True)
class Listener:
    """The addresses that HAProxy binds, and those of the gateways: `host:port` or `unix:/path`.

    With `certificate`, a PEM file with the certificate chain and its key, clients use TLS, and HTTP/2 if they can.
    """

    binds: tuple[str, ...]
    gateways: tuple[str, ...]
    certificate: Path | None = None
    threads: int = 0
    """Number of threads; 0: one for each CPU."""

    @property
    def scheme(self) -> str:
        """The scheme that clients use."""
        return "https" if self.certificate is not None else "http"

    @property
    def is_ipv4(self) -> bool:
        """Whether every client has an IPv4 address. For `:port`, HAProxy binds the addresses of IPv4."""
        return all(map(_IPV4.fullmatch, self.binds))


def listener(binds: Sequence[str], gateways: Sequence[str], certificate: Path | None, threads: int) -> Listener:
    """Return the listener for these options. Raises ListenerError."""
    for option, addresses in (("--bind", binds), ("--gateway", gateways)):
        for address in addresses:
            if not _ADDRESS.fullmatch(address):
                raise ListenerError(f"{option}: must be host:port or unix:/path; got {address!r}")
    if certificate is not None:
        certificate = certificate.resolve()
        if not _PATH.fullmatch(str(certificate)):
            raise ListenerError("--certificate: the path must consist of letters, digits and ._-/")
    return Listener(tuple(binds), tuple(gateways), certificate, threads)


def haproxy_address(address: str) -> str:
    """Return `address` in HAProxy's form."""
    return f"unix@{address.removeprefix('unix:')}" if address.startswith("unix:") else address
