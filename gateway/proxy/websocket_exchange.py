"""Carries a WebSocket's handshake to the service, and what follows it: as Exchange does any request, up to the 101.

A service that answers anything else has its answer handed back like any other.
"""

from gateway.http.request import Request
from gateway.http.response_completion import complete_response
from gateway.http.websocket_handshake import read_handshake
from gateway.pipeline.pipeline import AdmittedRequest
from gateway.proxy.exchange import CutOff, Exchange, Send
from gateway.proxy.open_streams import OpenStreams
from gateway.proxy.response_fields import with_gateway_fields
from gateway.proxy.websocket_relay import WebSocket
from gateway.server.request_cycle import RequestCycle
from gateway.upstream_connections.connection import UpstreamConnection
from gateway.upstream_connections.connection_pool import ConnectionPool
from gateway.upstream_connections.errors import UpstreamFailed
from gateway.upstream_connections.response_parser import SWITCHING_PROTOCOLS
from gateway.upstreams.registry import UpstreamRegistry


class WebSocketExchange(Exchange):
    """One handshake and its WebSocket. Raises Refused(400 or 426) for a handshake that is none."""

    def __init__(
        self,
        admitted: AdmittedRequest,
        request: Request,
        upstreams: UpstreamRegistry,
        streams: OpenStreams,
        cycle: RequestCycle,
        send: Send,
        idle: float,
    ) -> None:
        super().__init__(admitted, request, upstreams, streams, cycle, send)
        self._handshake = read_handshake(request)
        self._websocket = WebSocket(upstreams.loop, idle)

    async def run(self, pool: ConnectionPool | None = None) -> None:
        """Returns when the WebSocket is over, or its handshake was answered otherwise. Raises as in Exchange."""
        stream = self._streams.open(self._route, self._principal, self._websocket.end)
        try:
            await super().run(pool)
        finally:
            self._streams.close(stream)
            self.ended_by = stream.ended_by

    def _head(self, pool: ConnectionPool) -> bytes:
        told = self._admitted.told + self._handshake.lines
        return self._admitted._replace(told=told).head(pool.host_line)

    def _start(self, pool: ConnectionPool, connection: UpstreamConnection, body: bytes, whole: bool) -> None:
        super()._start(pool, connection, body, whole)
        connection.allow_upgrade()

    async def _hand_back_watched(self, connection: UpstreamConnection) -> None:
        if connection.status != SWITCHING_PROTOCOLS:
            return await super()._hand_back_watched(connection)
        if not self._handshake.is_answered_by(connection.headers):
            raise UpstreamFailed("broken")
        lines = self._handshake.response_lines(connection.headers)
        lines += b"".join(b"%b: %b\r\n" % field for field in with_gateway_fields([], self._admitted))
        head = complete_response(SWITCHING_PROTOCOLS, b"", lines, self._cycle.request.request_id)
        connection.remove_total_deadline()
        service = connection.detach()
        try:
            client = self._cycle.upgrade(self._websocket)
        except ConnectionError as error:
            raise CutOff from error
        self.status = SWITCHING_PROTOCOLS
        self._cycle.on_disconnect = None  # a side that is lost is the WebSocket's business now
        client[0].write(head)
        self._websocket.start(client, service)
        return await self._websocket.over
