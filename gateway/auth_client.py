"""Owns the gateway's own calls to the auth service, over the same kind of connection that requests take."""

import asyncio

from gateway.routes import Address
from gateway.upstream import ConnectionPool, Unreachable
from gateway.upstream_connection import UpstreamConnection, UpstreamFailed

_CONNECT, _SILENCE, _TOTAL = 1.0, 3.0, 5.0
_LIMIT = 16
_MAX_ANSWER = 1_048_576


class AuthClient:
    """Calls the auth service. Every call ends within some five seconds."""

    def __init__(self, address: Address) -> None:
        self.pool = ConnectionPool(address, _LIMIT)

    async def get(self, path: str) -> bytes:
        """The body at `path`. Raises OSError for whatever is not a 200."""
        loop = asyncio.get_running_loop()
        try:
            connection = self.pool.take_idle(loop.time(), 1) or await self.pool.connect(_CONNECT)
        except Unreachable as error:
            raise OSError(f"the auth service is unreachable: {error}") from error
        try:
            return await self._body(connection, path)
        except UpstreamFailed as error:
            raise OSError(f"the auth service broke off: {error.reason}") from error
        finally:
            self.pool.give_back(connection, loop.time())

    async def _body(self, connection: UpstreamConnection, path: str) -> bytes:
        head = b"".join((f"GET {path} HTTP/1.1\r\n".encode("ascii"), self.pool.host_line, b"\r\n"))
        connection.start(head, b"", whole=True, method="GET", keep_cookies=False, total=_TOTAL)
        await connection.answered(_SILENCE)
        parts = [connection.take()]
        while not connection.complete:
            parts.append(await connection.more(_SILENCE))
            if sum(map(len, parts)) > _MAX_ANSWER:
                raise OSError(f"{path} at the auth service is over {_MAX_ANSWER} bytes")
        if connection.status != 200:
            raise OSError(f"{path} at the auth service answered {connection.status}")
        return b"".join([*parts, connection.take()])
