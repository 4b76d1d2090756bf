"""Owns how gunicorn runs the gateway: uvicorn's worker with our protocol, deadlines and draining."""

import asyncio
import sys

from gunicorn.arbiter import Arbiter
from uvicorn.server import Server
from uvicorn_worker import UvicornWorker

from gateway.server_protocol import ServerProtocol


class GatewayServer(Server):
    """uvicorn's server, which also sweeps its connections for deadlines, once a second."""

    async def on_tick(self, counter: int) -> bool:
        """Called by the server ten times a second."""
        if counter % 10 == 0:
            now = asyncio.get_running_loop().time()
            for connection in tuple(self.server_state.connections):
                if isinstance(connection, ServerProtocol):
                    connection.enforce_deadlines(now)
        return await super().on_tick(counter)


class GatewayWorker(UvicornWorker):  # type: ignore[misc]  # uvicorn-worker ships no types
    """The worker class to give gunicorn: `-k gateway.worker.GatewayWorker`."""

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
        server = GatewayServer(config=self.config)
        self._install_sigquit_handler()
        await server.serve(sockets=self.sockets)
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)
