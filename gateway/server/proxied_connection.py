"""Owns a connection on which a trusted balancer first says whose it is (PROXY protocol), and then HTTP begins.

Others are served as ever, so that a header from them is malformed HTTP. A trusted peer has to bring one, within the
time for a request's head: to guess would let its clients write the header themselves. What is malformed is closed
without an answer, since nobody knows whom it would go to.
"""

import asyncio

from gateway.server.http_protocol import ServerProtocol
from gateway.server.proxy_protocol import MalformedPreamble, ProxyProtocol


class ProxiedConnection(ServerProtocol):
    """A server protocol that waits for a header where one is due."""

    _awaited: bytes | None = None
    """What has come of the header; None where none is due any more."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop once."""
        super().connection_made(transport)
        if self._is_proxy and self._app.proxy_protocol.is_due_at(self._server):
            self._awaited = b""

    def data_received(self, data: bytes) -> None:
        """Called by the loop with what the client sent."""
        if self._awaited is not None:
            data = self._after_preamble(self._awaited + data)
        if data:
            super().data_received(data)

    def _after_preamble(self, data: bytes) -> bytes:
        """What follows the header; nothing while that is not complete."""
        try:
            preamble = self._app.proxy_protocol.read(data)
        except MalformedPreamble as malformed:
            request_id = self._app.next_request_id()
            self._app.malformed_requests.note(self._client, 0, "bad_proxy_header", request_id, str(malformed))
            if self._transport is not None:
                self._transport.abort()
            return b""
        if preamble is None:
            self._awaited = data
            return b""
        self._awaited = None
        if preamble.client is not None:
            self.comes_from(preamble.client, "https" if preamble.is_tls else self._scheme)
        return data[preamble.length :]


def connection_class(proxy_protocol: ProxyProtocol) -> type[ServerProtocol]:
    """What serves a connection: without the PROXY protocol, nothing that costs."""
    return ServerProtocol if proxy_protocol.versions == "off" else ProxiedConnection
