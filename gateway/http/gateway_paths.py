"""The paths of the gateway's own endpoints."""

from dataclasses import dataclass
from typing import Literal

FORWARD_AUTH = b"/forward-auth"
"""The path of authorization subrequests from other proxies; the original request's path may follow it."""

Exposure = Literal["internal", "public", "off"]
"""Where an endpoint is served: on the internal address only, on both addresses, or nowhere."""

Access = Literal["public", "staff", "off"]
"""Who may read the API description: everybody, users with the role staff, or nobody."""

ServerAddress = tuple[str, int | None] | None
"""The address that the client connected to, as in ASGI: host and port, or a unix socket's path and None."""


@dataclass(frozen=True, slots=True)
class GatewayPaths:
    """The paths of the gateway's own endpoints. Those in `internal` are served only on `internal_address`."""

    public: frozenset[bytes]
    internal: frozenset[bytes]
    internal_address: str
    forward_auth: Exposure = "off"
    prefixes: tuple[bytes, ...] = ()
    """The beginnings of further public paths."""

    def contains(self, path: bytes, server: ServerAddress) -> bool:
        """Return whether `path` is an endpoint of the gateway on the address `server`."""
        return (
            path in self.public
            or path.startswith(self.prefixes)
            or (path in self.internal and is_internal(server, self.internal_address))
            or (path.startswith(FORWARD_AUTH) and self.is_forward_auth(path, server))
        )

    def is_forward_auth(self, path: bytes, server: ServerAddress) -> bool:
        """Return whether `path` is the endpoint for authorization subrequests, and is served on `server`."""
        if path != FORWARD_AUTH and not path.startswith(FORWARD_AUTH + b"/"):
            return False
        return self.forward_auth == "public" or (
            self.forward_auth == "internal" and is_internal(server, self.internal_address)
        )


def is_internal(server: ServerAddress, internal_address: str) -> bool:
    """Return whether `server` is `internal_address`: `host:port`, `unix:/path`, or empty if there is none.

    TCP addresses are compared by their ports, which differ between the internal and the public address.
    """
    if server is None or not internal_address:
        return False
    host, port = server
    if port is None:
        return internal_address == f"unix:{host}"
    return internal_address.rpartition(":")[2] == str(port)
