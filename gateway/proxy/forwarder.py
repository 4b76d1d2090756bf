"""Forward an admitted request in a task: buffer its body, wait for a concurrency slot, run its exchange."""

from chassis.clock import Clock
from contract.problems import Refused
from gateway.pipeline.pipeline import AdmittedRequest, Pipeline
from gateway.proxy.buffered_exchange import BufferedExchange
from gateway.proxy.exchange import Exchange
from gateway.proxy.open_streams import OpenStreams
from gateway.proxy.websocket_exchange import WebSocketExchange
from gateway.rate_limits.concurrency import ConcurrencyLimiter
from gateway.server.request_cycle import RequestCycle
from gateway.upstream_connections.connection_pool import ConnectionPool
from gateway.upstreams.registry import UpstreamRegistry


class Forwarder:
    """Runs exchanges that may wait. `websocket_idle_timeout` is in seconds."""

    def __init__(
        self,
        pipeline: Pipeline,
        upstreams: UpstreamRegistry,
        streams: OpenStreams,
        concurrency: ConcurrencyLimiter,
        websocket_idle_timeout: float,
        clock: Clock,
    ) -> None:
        self._pipeline = pipeline
        self._upstreams = upstreams
        self._streams = streams
        self._concurrency = concurrency
        self._websocket_idle_timeout = websocket_idle_timeout
        self._clock = clock

    async def forward(
        self, cycle: RequestCycle, admitted: AdmittedRequest, pool: ConnectionPool | None = None
    ) -> int:
        """Forward a request and return the status of the response.

        `pool` is the pool of the chosen address; None if the balancer has not chosen one yet. Raises Refused before
        the response has begun. Raises ExchangeAborted, or ClientGone for a client that disconnected while its request
        waited for a slot, if the client's connection has to be closed.
        """
        try:
            exchange = self._exchange(cycle, admitted)
            await self._run(exchange, cycle, admitted, pool)
        except Refused as refused:
            if admitted.fresh is not None:
                admitted.fresh.add_to(refused)
            raise
        return exchange.status

    async def resume(self, buffered: BufferedExchange) -> int:
        """Continue an exchange whose request was sent. Returns and raises as forward."""
        try:
            exchange = Exchange(buffered.admitted, buffered.cycle, self._upstreams, self._streams, self._clock)
            await exchange.resume(buffered.pool, buffered.detach_connection())
        except Refused as refused:
            if buffered.admitted.fresh is not None:
                buffered.admitted.fresh.add_to(refused)
            raise
        finally:
            buffered.release_connection()
        return exchange.status

    async def _run(
        self, exchange: Exchange, cycle: RequestCycle, admitted: AdmittedRequest, pool: ConnectionPool | None
    ) -> None:
        await exchange.buffer_body()
        if admitted.route.concurrency_limit is None:
            # The token may have been revoked while the body was received.
            self._pipeline.confirm(admitted, cycle.request)
            return await exchange.run(pool)
        if cycle.on_end is not None:  # it got its slot when it was admitted, and has not waited since
            return await exchange.run(pool)
        with await self._concurrency.acquire(admitted.route, cycle):
            self._pipeline.confirm(admitted, cycle.request)
            return await exchange.run(pool)

    def _exchange(self, cycle: RequestCycle, admitted: AdmittedRequest) -> Exchange:
        if admitted.matched.is_websocket and admitted.matched.has_body:
            raise Refused("bad_header", "The handshake of a WebSocket has no body.")
        if admitted.matched.is_websocket and cycle.can_upgrade:
            return WebSocketExchange(
                admitted, cycle, self._upstreams, self._streams, self._clock, self._websocket_idle_timeout
            )
        return Exchange(admitted, cycle, self._upstreams, self._streams, self._clock)
