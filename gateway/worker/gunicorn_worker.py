"""The gunicorn worker of the gateway: uvicorn's worker with the gateway's protocol, deadlines and shutdown."""

import asyncio
import socket
import sys
from collections.abc import Callable

from gunicorn.arbiter import Arbiter
from uvicorn.config import Config
from uvicorn.server import Server
from uvicorn_worker import UvicornWorker

from gateway.server.http_protocol import ServerProtocol
from gateway.server.proxied_connection import connection_class
from gateway.worker.accept_queue import close_listeners

TICK = 0.1
"""Seconds between two calls of `on_tick`."""


class GatewayServer(Server):
    """uvicorn's server, with a sweep of the connections' deadlines once a second and a graceful shutdown.

    The sweep enforces the deadlines that had passed at the previous tick. Since then the event loop has read all
    received data, so a client does not count as slow because the event loop lagged.

    The shutdown calls `fail_readiness`, serves new connections for `notice_seconds`, closes the listeners, calls
    `end_streams` (streams never end by themselves; their clients reconnect to another worker), and drains.
    """

    def __init__(
        self,
        config: Config,
        *,
        fail_readiness: Callable[[], None] = lambda: None,
        notice_seconds: float = 0.0,
        end_streams: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(config)
        self.is_replaced: Callable[[], bool] = lambda: False
        """Returns whether a reload has replaced this worker.

        If so, the shutdown closes the listeners at once, because the new workers accept on the same sockets.
        """
        self._ticked_at = 0.0
        self._fail_readiness = fail_readiness
        self._notice_seconds = notice_seconds
        self._end_streams = end_streams

    async def on_tick(self, counter: int) -> bool:
        """Enforce the deadlines at every tenth call. uvicorn calls this ten times a second."""
        previous_tick, self._ticked_at = self._ticked_at, asyncio.get_running_loop().time()
        if counter % 10 == 0:
            for connection in tuple(self.server_state.connections):
                if isinstance(connection, ServerProtocol):
                    connection.enforce_deadlines(previous_tick)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Shut down gracefully. Called by uvicorn after a signal."""
        listeners = sockets or []
        if self.is_replaced():
            self._close_listeners(listeners)
        else:
            self._fail_readiness()
            await asyncio.sleep(self._notice_seconds)
            await close_listeners(listeners, lambda: self._close_listeners(listeners), self._serve_socket)
        # The event loop needs a few iterations to create connections for the sockets that it has accepted.
        await asyncio.sleep(TICK)
        self._end_streams()
        await super().shutdown(sockets)

    def _close_listeners(self, listeners: list[socket.socket]) -> None:
        for server in self.servers:
            server.close()
        for listener in listeners:
            listener.close()

    async def _serve_socket(self, connection: socket.socket) -> None:
        def protocol() -> asyncio.Protocol:
            created: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]  # as uvicorn does
                config=self.config, server_state=self.server_state, app_state=self.lifespan.state
            )
            return created

        await asyncio.get_running_loop().connect_accepted_socket(protocol, connection)


class GatewayWorker(UvicornWorker):  # type: ignore[misc]  # uvicorn-worker ships no types
    """The worker class for gunicorn: `-k gateway.worker.gunicorn_worker.GatewayWorker`."""

    is_replaced: Callable[[], bool] = staticmethod(lambda: False)
    """Returns whether a reload has replaced this worker. Set by gunicorn_conf.py."""

    CONFIG_KWARGS = {
        "loop": "uvloop",
        "http": ServerProtocol,
        "ws": "none",
        "lifespan": "on",
        "proxy_headers": False,
        "server_header": False,
        "access_log": False,
    }

    async def _serve(self) -> None:
        self.config.app = self.wsgi
        self.config.http = connection_class(self.wsgi.proxy_protocol)
        server = GatewayServer(
            self.config,
            fail_readiness=self.wsgi.graceful_shutdown.begin,
            notice_seconds=self.wsgi.notice_seconds,
            end_streams=self.wsgi.end_streams,
        )
        server.is_replaced = self.is_replaced
        self._install_sigquit_handler()
        await server.serve(sockets=self.sockets)
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)
