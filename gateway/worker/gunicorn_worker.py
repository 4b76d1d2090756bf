"""Owns how gunicorn runs the gateway: uvicorn's worker with our protocol, deadlines and draining."""

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
from gateway.worker.graceful_shutdown import accept_the_last

TICK = 0.1
"""Seconds."""


class GatewayServer(Server):
    """uvicorn's server, which also sweeps its connections for deadlines, once a second, and says when it goes.

    What was overdue a tick before the sweep is ended: in between the loop has read whatever had come, so that nobody
    is taken for slow because this worker was late itself.

    `announce` is called first; for `notice` seconds after that new connections are still served. `end_streams` is
    called last: a stream would go on for ever, and its client finds another worker.
    """

    def __init__(
        self,
        config: Config,
        *,
        announce: Callable[[], None] = lambda: None,
        notice: float = 0.0,
        end_streams: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(config)
        self.is_replaced: Callable[[], bool] = lambda: False
        """Whether others listen at our address already."""
        self._ticked_at = 0.0
        self._announce = announce
        self._notice = notice
        self._end_streams = end_streams

    async def on_tick(self, counter: int) -> bool:
        """Called by the server ten times a second."""
        before, self._ticked_at = self._ticked_at, asyncio.get_running_loop().time()
        if counter % 10 == 0:
            for connection in tuple(self.server_state.connections):
                if isinstance(connection, ServerProtocol):
                    connection.enforce_deadlines(before)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Called by the server once it was asked to go."""
        listeners = sockets or []
        if self.is_replaced():
            self._stop_listening(listeners)
        else:
            self._announce()
            await asyncio.sleep(self._notice)
            await accept_the_last(listeners, lambda: self._stop_listening(listeners), self._accept)
        # What the loop had accepted becomes a connection in its next turns; only then can it be asked to go.
        await asyncio.sleep(TICK)
        self._end_streams()
        await super().shutdown(sockets)

    def _stop_listening(self, listeners: list[socket.socket]) -> None:
        for server in self.servers:
            server.close()
        for listener in listeners:
            listener.close()

    async def _accept(self, connection: socket.socket) -> None:
        def protocol() -> asyncio.Protocol:
            made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]  # as uvicorn does
                config=self.config, server_state=self.server_state, app_state=self.lifespan.state
            )
            return made

        await asyncio.get_running_loop().connect_accepted_socket(protocol, connection)


class GatewayWorker(UvicornWorker):  # type: ignore[misc]  # uvicorn-worker ships no types
    """The worker class to give gunicorn: `-k gateway.worker.gunicorn_worker.GatewayWorker`."""

    is_replaced: Callable[[], bool] = staticmethod(lambda: False)
    """Whether a reload has put other workers beside this one; gunicorn_conf.py knows."""

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
            announce=self.wsgi.graceful_shutdown.announce,
            notice=self.wsgi.notice,
            end_streams=self.wsgi.end_streams,
        )
        server.is_replaced = self.is_replaced
        self._install_sigquit_handler()
        await server.serve(sockets=self.sockets)
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)
