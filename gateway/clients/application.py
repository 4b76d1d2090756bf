"""What the client's side of a connection needs of the gateway behind it."""

from collections.abc import Mapping
from typing import Protocol

from gateway.clients.cycle import Cycle
from gateway.clients.known_requests import KnownRequests
from gateway.clients.malformed_requests import MalformedRequests
from gateway.clients.proxy_protocol import ProxyProtocol
from gateway.clients.trusted_proxies import TrustedProxies


class Application(Protocol):
    """What answers the requests."""

    known_requests: KnownRequests
    unread_bytes: int
    """Bytes that are no body and may come in a row: a bound for memory's sake. The pipeline refuses smaller heads
    with an answer of its own."""
    trusted_proxies: TrustedProxies
    proxy_protocol: ProxyProtocol
    malformed_requests: MalformedRequests
    standing_lines: Mapping[str, bytes]

    def next_request_id(self) -> str:
        """An id that no other request has."""

    def begin(self, cycle: Cycle) -> None:
        """Answers `cycle`, now or later."""
