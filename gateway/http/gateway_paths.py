"""Decides which paths the gateway answers itself."""

from dataclasses import dataclass
from typing import Literal

FORWARD_AUTH = b"/forward-auth"
"""Where proxies ask about requests that they forward by themselves; the original path may follow."""

Exposure = Literal["internal", "public", "off"]

Server = tuple[str, int | None] | None
"""Where a request came in, as ASGI says it: host and port, or a unix socket's path and None."""


@dataclass(frozen=True, slots=True)
class GatewayPaths:
    """The paths of the gateway's own endpoints. `internal` ones are served at `internal_address` alone."""

    public: frozenset[bytes]
    internal: frozenset[bytes]
    internal_address: str
    forward_auth: Exposure = "off"

    def has(self, path: bytes, server: Server) -> bool:
        """Whether a request for `path` that came in at `server` is for the gateway itself."""
        return (
            path in self.public
            or (path in self.internal and is_internal(server, self.internal_address))
            or (path.startswith(FORWARD_AUTH) and self.is_asked(path, server))
        )

    def is_asked(self, path: bytes, server: Server) -> bool:
        """Whether it is a question about another request."""
        if path != FORWARD_AUTH and not path.startswith(FORWARD_AUTH + b"/"):
            return False
        return self.forward_auth == "public" or (
            self.forward_auth == "internal" and is_internal(server, self.internal_address)
        )


def is_internal(server: Server, internal_address: str) -> bool:
    """Whether `server` is the address for operators, `host:port` or `unix:/path`; empty where there is none."""
    if server is None or not internal_address:
        return False
    host, port = server
    if port is None:
        return internal_address == f"unix:{host}"
    return internal_address.rpartition(":")[2] == str(port)
