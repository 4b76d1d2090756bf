"""What a client connection needs of the gateway behind it."""

from collections.abc import Mapping
from typing import Protocol

from gateway.server.client_address import TrustedProxies
from gateway.server.malformed_requests import MalformedRequests
from gateway.server.proxy_protocol import ProxyProtocol
from gateway.server.request_cycle import RequestCycle
from gateway.server.request_head_cache import RequestHeadCache


class Application(Protocol):
    """Answers the requests."""

    request_head_cache: RequestHeadCache
    unread_bytes: int
    """Limit of consecutive bytes outside bodies; bounds memory. Heads that are too large but smaller than this are
    refused by the pipeline."""
    trusted_proxies: TrustedProxies
    proxy_protocol: ProxyProtocol
    malformed_requests: MalformedRequests
    default_response_lines: Mapping[str, bytes]
    """The header lines of every response, by the client's scheme."""

    def next_request_id(self) -> str:
        """Return a unique request id."""

    def begin(self, cycle: RequestCycle) -> None:
        """Answer `cycle`, now or later."""
