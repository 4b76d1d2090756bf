"""The interface through which client connections use the gateway."""

from collections.abc import Mapping
from typing import Protocol

from gateway.server.client_address import TrustedProxies
from gateway.server.connection_deadlines import ClientTimeouts
from gateway.server.malformed_requests import MalformedRequests
from gateway.server.proxy_protocol import ProxyProtocol
from gateway.server.request_cycle import RequestCycle
from gateway.server.request_head_cache import RequestHeadCache


class Application(Protocol):
    """The state that all client connections of a worker share, and the entry point for their requests."""

    client_timeouts: ClientTimeouts
    request_head_cache: RequestHeadCache
    max_bytes_outside_bodies: int
    """The largest number of consecutive bytes outside bodies (RequestLimits.max_bytes_outside_bodies)."""
    trusted_proxies: TrustedProxies
    proxy_protocol: ProxyProtocol
    malformed_requests: MalformedRequests
    default_response_lines: Mapping[str, bytes]
    """The header lines of every response, by the client's scheme."""

    def next_request_id(self) -> str:
        """Return a unique request id."""

    def begin(self, cycle: RequestCycle) -> None:
        """Start to answer the request of `cycle`. The response may be sent after this call has returned."""
