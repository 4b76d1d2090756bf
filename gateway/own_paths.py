"""Decides which paths the gateway answers itself."""

from dataclasses import dataclass

Server = tuple[str, int | None] | None
"""Where a request came in, as ASGI says it: host and port, or a unix socket's path and None."""


@dataclass(frozen=True, slots=True)
class OwnPaths:
    """The paths of the gateway's own endpoints. `internal` ones are served at `internal_address` alone."""

    public: frozenset[bytes]
    internal: frozenset[bytes]
    internal_address: str

    def has(self, path: bytes, server: Server) -> bool:
        """Whether a request for `path` that came in at `server` is for the gateway itself."""
        return path in self.public or (path in self.internal and self._is_internal(server))

    def _is_internal(self, server: Server) -> bool:
        if server is None or not self.internal_address:
            return False
        host, port = server
        if port is None:
            return self.internal_address == f"unix:{host}"
        return self.internal_address.rpartition(":")[2] == str(port)
