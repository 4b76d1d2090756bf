"""What the client's side of a connection needs of the gateway behind it."""

from collections.abc import Mapping
from typing import Protocol

from gateway.server.client_address import TrustedProxies
from gateway.server.malformed_requests import MalformedRequests
from gateway.server.proxy_protocol import ProxyProtocol
from gateway.server.request_cycle import RequestCycle
from gateway.server.request_head_cache import RequestHeadCache


class Application(Protocol):
    """What answers the requests."""

    request_head_cache: RequestHeadCache
    unread_bytes: int
    """Bytes that are no body and may come in a row: a bound for memory's sake. The pipeline refuses smaller heads
    with an answer of its own."""
    trusted_proxies: TrustedProxies
    proxy_protocol: ProxyProtocol
    malformed_requests: MalformedRequests
    default_response_lines: Mapping[str, bytes]

    def next_request_id(self) -> str:
        """An id that no other request has."""

    def begin(self, cycle: RequestCycle) -> None:
        """Answers `cycle`, now or later."""
