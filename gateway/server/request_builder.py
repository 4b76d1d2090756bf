"""Build the requests of one client connection, with the client's address, its scheme and a request id."""

import asyncio

from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl

from gateway.http.request import Request
from gateway.server.application import Application
from gateway.server.client_address import UNKNOWN, canonical_address
from gateway.server.request_head_cache import CacheHit
from gateway.server.request_parser import RequestHead


class RequestBuilder:
    """Builds requests. The client is the peer, unless a trusted proxy names another client."""

    __slots__ = ("_app", "client", "is_trusted_proxy", "scheme", "server")

    def __init__(self, app: Application) -> None:
        self._app = app
        self.client = UNKNOWN
        self.scheme = "http"
        self.is_trusted_proxy = False
        self.server: tuple[str, int | None] | None = None
        """The address that the client connected to."""

    def set_connection(self, transport: asyncio.Transport) -> None:
        """Set the addresses and the scheme of a new connection."""
        peer = get_remote_addr(transport)
        self.server = get_local_addr(transport)
        self.set_peer(canonical_address(peer[0]) if peer else UNKNOWN, "https" if is_ssl(transport) else "http")

    def set_peer(self, client: str, scheme: str) -> None:
        """Set the address `client` and the scheme of the peer, and whether it is a trusted proxy."""
        self.client = client
        self.scheme = scheme
        self.is_trusted_proxy = self._app.trusted_proxies.trusts(client)

    def from_head(self, head: RequestHead) -> Request:
        """Return the request with the parsed `head`."""
        method, path, query, headers, version, *_ = head
        client, scheme = self.client, self.scheme
        if self.is_trusted_proxy:
            client, scheme = self._app.trusted_proxies.resolve(headers, client, scheme)
        request_id = self._app.next_request_id()
        return Request(request_id, method, path, query, headers, version, client, scheme, self.server)

    def from_cache(self, hit: CacheHit) -> Request:
        """Return the request with the cached head and the token in `hit`."""
        head, headers, token = hit
        client, scheme = self.client, self.scheme
        if self.is_trusted_proxy:
            client, scheme = self._app.trusted_proxies.resolve(headers, client, scheme)
        return Request(
            self._app.next_request_id(),
            head.method,
            head.path,
            head.query,
            headers,
            head.http_version,
            client,
            scheme,
            self.server,
            head,
            token,
        )
