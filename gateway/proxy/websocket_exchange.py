"""Forward the handshake of a WebSocket, and relay its frames after a 101.

A response with any other status is forwarded as the response to any other request.
"""

from chassis.clock import Clock
from gateway.http.response_completion import complete_response
from gateway.http.websocket_handshake import parse_handshake
from gateway.pipeline.pipeline import AdmittedRequest
from gateway.proxy.errors import ExchangeAborted
from gateway.proxy.exchange import Exchange
from gateway.proxy.open_streams import OpenStreams
from gateway.proxy.response_fields import with_gateway_fields
from gateway.proxy.websocket_relay import WebSocketRelay
from gateway.server.request_cycle import RequestCycle
from gateway.upstream_connections.connection import UpstreamConnection
from gateway.upstream_connections.connection_pool import ConnectionPool
from gateway.upstream_connections.errors import UpstreamFailed
from gateway.upstream_connections.response_parser import SWITCHING_PROTOCOLS
from gateway.upstreams.registry import UpstreamRegistry


class WebSocketExchange(Exchange):
    """One handshake and its WebSocket, which is closed after `idle_timeout` seconds without a byte.

    Raises Refused for an invalid handshake: 426 for another version of the protocol, else 400.
    """

    def __init__(
        self,
        admitted: AdmittedRequest,
        cycle: RequestCycle,
        upstreams: UpstreamRegistry,
        streams: OpenStreams,
        clock: Clock,
        idle_timeout: float,
    ) -> None:
        super().__init__(admitted, cycle, upstreams, streams, clock)
        self._handshake = parse_handshake(cycle.request)
        self._relay = WebSocketRelay(upstreams.loop, idle_timeout)

    async def run(self, pool: ConnectionPool | None = None) -> None:
        """Open the WebSocket and relay it until it is closed; send any response but a 101. Raises as Exchange.run."""
        stream = self._streams.open(self._route, self._admitted.principal, self._relay.end)
        try:
            await super().run(pool)
        except ExchangeAborted as aborted:
            raise ExchangeAborted(stream.end_code) from aborted
        finally:
            self._streams.close(stream)

    def _request_head(self, pool: ConnectionPool) -> bytes:
        lines = self._admitted.forwarding_lines + self._handshake.lines
        return self._admitted._replace(forwarding_lines=lines).head(pool.host_line)

    def _send_request(self, pool: ConnectionPool, connection: UpstreamConnection) -> None:
        super()._send_request(pool, connection)
        connection.allow_upgrade()

    async def _send_response(self, connection: UpstreamConnection) -> None:
        if connection.status != SWITCHING_PROTOCOLS:
            return await super()._send_response(connection)
        if not self._handshake.is_accepted_by(connection.headers):
            raise UpstreamFailed("broken")
        lines = self._handshake.response_lines(connection.headers)
        lines += b"".join(b"%b: %b\r\n" % field for field in with_gateway_fields([], self._admitted))
        head = complete_response(SWITCHING_PROTOCOLS, b"", lines, self._cycle.request.request_id)
        connection.remove_total_deadline()
        service = connection.detach()
        try:
            client = self._cycle.upgrade(self._relay)
        except ConnectionError as error:
            raise ExchangeAborted from error
        self.status = SWITCHING_PROTOCOLS
        self._cycle.on_disconnect = None  # the relay closes the other side when the client disconnects
        client_transport, _ = client
        client_transport.write(head)
        self._relay.start(client, service)
        return await self._relay.closed
