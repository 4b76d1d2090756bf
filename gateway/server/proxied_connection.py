"""A client connection that begins with a PROXY protocol header if the peer is a trusted proxy.

Connections of other peers, and those to the internal address, begin with HTTP; a PROXY header on them is malformed
HTTP. A trusted proxy must send the header within the deadline of a request's head. If the header were optional,
clients of the proxy could send a forged one. A malformed header closes the connection without a response.
"""

import asyncio

from gateway.server.http_protocol import ServerProtocol
from gateway.server.proxy_protocol import MalformedProxyHeader, ProxyProtocol


class ProxiedConnection(ServerProtocol):
    """A server protocol that reads a PROXY header before HTTP if one is required."""

    _header_data: bytes | None = None
    """The part of the header received so far; None once it is complete, or if none is required."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start serving a client; require a PROXY header if the peer is a trusted proxy."""
        super().connection_made(transport)
        if self._builder.is_trusted_proxy and self._app.proxy_protocol.is_required_at(self._builder.server):
            self._header_data = b""

    def data_received(self, data: bytes) -> None:
        """Read the PROXY header if it is still incomplete, then HTTP."""
        if self._header_data is not None:
            data = self._data_after_header(self._header_data + data)
        if data:
            super().data_received(data)

    def _data_after_header(self, data: bytes) -> bytes:
        """Return the bytes after the header in `data`; none if it is incomplete or malformed."""
        try:
            header = self._app.proxy_protocol.read(data)
        except MalformedProxyHeader as malformed:
            request_id = self._app.next_request_id()
            self._app.malformed_requests.record(
                self._builder.client, 0, "bad_proxy_header", request_id, str(malformed)
            )
            self.client_transport.abort()
            return b""
        if header is None:
            self._header_data = data
            return b""
        self._header_data = None
        if header.client is not None:
            self._builder.set_peer(header.client, "https" if header.is_tls else self._builder.scheme)
        return data[header.length :]


def connection_class(proxy_protocol: ProxyProtocol) -> type[ServerProtocol]:
    """Return the protocol class that serves connections; plain ServerProtocol if the PROXY protocol is off."""
    return ServerProtocol if proxy_protocol.versions == "off" else ProxiedConnection
