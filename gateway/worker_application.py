"""The application that gunicorn's worker runs: it starts and stops with the worker, and has what connections need."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from gateway.observability.access_log import AccessLog
from gateway.proxy.dispatcher import Dispatcher
from gateway.proxy.open_streams import OpenStreams
from gateway.server.client_address import TrustedProxies
from gateway.server.connection_deadlines import ClientTimeouts
from gateway.server.malformed_requests import MalformedRequests
from gateway.server.proxy_protocol import ProxyProtocol
from gateway.server.request_cycle import Message
from gateway.server.request_head_cache import RequestHeadCache
from gateway.upstreams.registry import UpstreamRegistry
from gateway.upstreams.resolver import NameResolver, resolve_first
from gateway.worker.background_tasks import BackgroundTasks
from gateway.worker.garbage_collection import configure_garbage_collector
from gateway.worker.graceful_shutdown import GracefulShutdown
from gateway.worker.loop_bridge import LoopBridge

Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
STARTUP_WAIT_SECONDS = 3.0
"""How long a new worker waits for keys and revocations. After that it accepts requests without them."""


class Gateway:
    """The application of one worker: handles the ASGI lifespan, and the requests that ServerProtocol passes on.

    `notice_seconds` is how long a stopping worker still accepts connections while /readyz already fails.
    `max_bytes_outside_bodies` is explained at RequestLimits.max_bytes_outside_bodies.
    """

    client_timeouts = ClientTimeouts()

    def __init__(
        self,
        dispatcher: Dispatcher,
        request_head_cache: RequestHeadCache,
        *,
        is_loaded: Callable[[], bool],
        graceful_shutdown: GracefulShutdown,
        notice_seconds: float,
        streams: OpenStreams,
        background_tasks: BackgroundTasks,
        resolvers: Sequence[NameResolver],
        upstreams: UpstreamRegistry,
        bridge: LoopBridge,
        access_log: AccessLog,
        trusted_proxies: TrustedProxies,
        proxy_protocol: ProxyProtocol,
        malformed_requests: MalformedRequests,
        default_response_lines: Mapping[str, bytes],
        max_bytes_outside_bodies: int,
    ) -> None:
        self.begin = dispatcher.begin
        self.gateway_paths = dispatcher.gateway_paths
        self.next_request_id = dispatcher.next_request_id
        self.request_head_cache = request_head_cache
        self.trusted_proxies = trusted_proxies
        self.proxy_protocol = proxy_protocol
        self.malformed_requests = malformed_requests
        self.default_response_lines = default_response_lines
        self.max_bytes_outside_bodies = max_bytes_outside_bodies
        self.graceful_shutdown = graceful_shutdown
        self.end_streams = streams.end_all
        self.notice_seconds = notice_seconds
        self._is_loaded = is_loaded
        self._background_tasks = background_tasks
        self._resolvers = resolvers
        self._upstreams = upstreams
        self._bridge = bridge
        self._access_log = access_log

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Start and stop with the worker (ASGI lifespan). Requests come through `begin` instead."""
        if scope["type"] != "lifespan":
            raise RuntimeError("the gateway is served by gateway.worker.gunicorn_worker.GatewayWorker alone")
        await receive()
        await self._start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        self._bridge.attach(loop)
        self._upstreams.attach(loop)
        await resolve_first(self._resolvers)
        self._background_tasks.start()
        await self._wait_until_loaded()
        configure_garbage_collector()

    async def _stop(self) -> None:
        await self._background_tasks.stop()
        self._upstreams.close()
        self._access_log.flush()

    async def _wait_until_loaded(self) -> None:
        """Wait until keys and revocations are loaded, STARTUP_WAIT_SECONDS at most.

        Meanwhile other workers accept the requests. If the time runs out, /readyz names what is missing.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(STARTUP_WAIT_SECONDS):
                while not self._is_loaded():  # noqa: ASYNC110 - the two tasks that load set no event
                    await asyncio.sleep(0.01)
