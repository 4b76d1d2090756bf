"""Fetch the OpenAPI documents of the upstreams that have one. A document that cannot be used is left out.

Failure policy: a failed fetch is logged, and the last document of the upstream stays in use.
"""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import structlog

from chassis.clock import Clock
from gateway.routing.routes import HOST_CLIENT, HOST_UPSTREAM, Upstream
from gateway.upstream_connections.connection import UpstreamConnection
from gateway.upstream_connections.connection_pool import ConnectionPool
from gateway.upstream_connections.errors import Unreachable, UpstreamFailed
from gateway.upstreams.registry import UpstreamRegistry

MAX_BYTES = 2 * 1024 * 1024
"""Maximum size of a document."""
TIMEOUT_SECONDS = 3.0
"""How long a fetch may take from the connection to the end of the body."""
MAX_AGE_SECONDS = 60.0
"""How long a document is used before it is fetched again."""
RETRY_SECONDS = 5.0
"""How long a failed fetch is not repeated."""

_log = structlog.get_logger("openapi")

Document = dict[str, Any]


class UnusableDocument(ValueError):
    """What an upstream sent cannot be used. The message is the reason."""


class _Kept(NamedTuple):
    document: Document | None
    fetch_again_at: float


class UpstreamDocuments:
    """The documents of the upstreams in one worker."""

    def __init__(
        self, registry: UpstreamRegistry, upstreams: Sequence[Upstream], monotonic: Clock = time.monotonic
    ) -> None:
        self._registry = registry
        self._upstreams = [upstream for upstream in upstreams if upstream.openapi]
        self._monotonic = monotonic
        self._kept: dict[str, _Kept] = {}
        self._fetches = {upstream.name: asyncio.Lock() for upstream in self._upstreams}

    async def read(self) -> Mapping[str, Document]:
        """Return the document of each upstream that has sent a usable one. Ends within TIMEOUT_SECONDS.

        A document that has not changed is the same object as before.
        """
        await asyncio.gather(*(self._refresh(upstream) for upstream in self._upstreams))
        return {name: kept.document for name, kept in sorted(self._kept.items()) if kept.document is not None}

    async def _refresh(self, upstream: Upstream) -> None:
        # One fetch at a time: the requests that arrive meanwhile wait for its result.
        async with self._fetches[upstream.name]:
            await self._fetch_if_due(upstream)

    async def _fetch_if_due(self, upstream: Upstream) -> None:
        kept = self._kept.get(upstream.name, _Kept(None, 0.0))
        if self._monotonic() < kept.fetch_again_at:
            return
        try:
            document = usable_document(await self._fetch(upstream))
        except (OSError, TimeoutError, UnusableDocument) as error:
            reason = "timeout" if isinstance(error, TimeoutError) else str(error)
            _log.warning("openapi_unavailable", upstream=upstream.name, path=upstream.openapi, error=reason)
            self._kept[upstream.name] = _Kept(kept.document, self._monotonic() + RETRY_SECONDS)
        else:
            same = kept.document if document == kept.document else document
            self._kept[upstream.name] = _Kept(same, self._monotonic() + MAX_AGE_SECONDS)

    async def _fetch(self, upstream: Upstream) -> bytes:
        """Return the body at `upstream.openapi`. Raises OSError, TimeoutError or UnusableDocument."""
        pools = self._registry.balancer_for(upstream).pools
        failure = "it has no address"
        async with asyncio.timeout(TIMEOUT_SECONDS):
            for pool in pools:
                try:
                    return await _fetch_from(pool, upstream, TIMEOUT_SECONDS / len(pools))
                except (Unreachable, UpstreamFailed) as error:
                    failure = str(error)
        raise OSError(failure)


async def _fetch_from(pool: ConnectionPool, upstream: Upstream, timeout: float) -> bytes:
    """Return the body from the address of `pool`. Raises Unreachable, UpstreamFailed or UnusableDocument."""
    connection = await pool.open_unpooled(timeout)
    try:
        connection.start(_head(upstream, pool), b"", whole=True, method="GET", keep_cookies=False, total=0)
        await connection.wait_for_head(0)
        return await _read_body(connection)
    finally:
        connection.close()


def usable_document(body: bytes) -> Document:
    """Return the OpenAPI 3.1 document in `body`. Raises UnusableDocument."""
    try:
        document = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UnusableDocument("it is not JSON") from error
    if not isinstance(document, dict) or not isinstance(document.get("paths"), dict):
        raise UnusableDocument("it is not an OpenAPI document with paths")
    version = document.get("openapi")
    if not isinstance(version, str) or not version.startswith("3.1."):
        raise UnusableDocument(f"its version is {version!r:.20}; only OpenAPI 3.1 is read")
    return document


def _refuse_constant(name: str) -> None:
    raise ValueError(name)  # Python reads NaN and Infinity, browsers do not


def _head(upstream: Upstream, pool: ConnectionPool) -> bytes:
    host = upstream.host
    host_line = pool.host_line if host in (HOST_CLIENT, HOST_UPSTREAM) else f"Host: {host}\r\n".encode("ascii")
    line = f"GET {upstream.openapi} HTTP/1.1\r\nAccept: application/json\r\nConnection: close\r\n"
    return line.encode("ascii") + host_line + b"\r\n"


async def _read_body(connection: UpstreamConnection) -> bytes:
    if connection.status != 200:
        raise UnusableDocument(f"status {connection.status}")
    body = bytearray(connection.take_body())
    while not connection.complete:
        body += await connection.read_body(0)
        if len(body) > MAX_BYTES:
            raise UnusableDocument(f"it is larger than {MAX_BYTES} bytes")
    return bytes(body + connection.take_body())
