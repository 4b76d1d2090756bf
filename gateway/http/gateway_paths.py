"""The paths of the gateway's own endpoints."""

from dataclasses import dataclass
from typing import Literal

FORWARD_AUTH = b"/forward-auth"
"""Where other proxies send authorization subrequests; the path of the original request may follow."""

Exposure = Literal["internal", "public", "off"]

ServerAddress = tuple[str, int | None] | None
"""The address that the client connected to, as in ASGI: host and port, or a unix socket's path and None."""


@dataclass(frozen=True, slots=True)
class GatewayPaths:
    """The paths of the gateway's own endpoints. `internal` ones are served only at `internal_address`."""

    public: frozenset[bytes]
    internal: frozenset[bytes]
    internal_address: str
    forward_auth: Exposure = "off"

    def contains(self, path: bytes, server: ServerAddress) -> bool:
        """Return whether `path`, requested at `server`, is an endpoint of the gateway."""
        return (
            path in self.public
            or (path in self.internal and is_internal(server, self.internal_address))
            or (path.startswith(FORWARD_AUTH) and self.is_forward_auth(path, server))
        )

    def is_forward_auth(self, path: bytes, server: ServerAddress) -> bool:
        """Return whether `path`, requested at `server`, is an authorization subrequest of another proxy."""
        if path != FORWARD_AUTH and not path.startswith(FORWARD_AUTH + b"/"):
            return False
        return self.forward_auth == "public" or (
            self.forward_auth == "internal" and is_internal(server, self.internal_address)
        )


def is_internal(server: ServerAddress, internal_address: str) -> bool:
    """Return whether `server` is `internal_address`: `host:port`, `unix:/path`, or empty if there is none."""
    if server is None or not internal_address:
        return False
    host, port = server
    if port is None:
        return internal_address == f"unix:{host}"
    return internal_address.rpartition(":")[2] == str(port)
