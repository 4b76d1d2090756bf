"""Read the states of the gateways from their internal addresses.

Failure policy: a gateway that does not answer within a few seconds is reported as such; the others are still read.
They are read at the same time, so that several silent ones take no longer than one.
"""

import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException

from auth_service.administration.gateway_state import GatewayState, read_gateway_state

TIMEOUT_SECONDS = 2.0
"""Seconds for each step: to connect, and between two packets."""
MAX_BYTES = 4_000_000
"""Bytes of metrics that are read."""
MAX_THREADS = 16
"""Gateways that are read at once."""


@dataclass(frozen=True, slots=True)
class ObservedGateway:
    """The gateway at `address`, with its state or with the reason why there is none."""

    address: str
    state: GatewayState | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class GatewayStates:
    """Reads the gateways at `addresses`: `host:port` or `unix:/path`, as GATEWAY_INTERNAL_BIND has them."""

    addresses: Sequence[str]

    def read(self) -> Sequence[ObservedGateway]:
        """Return each gateway, in the order of the addresses."""
        if not self.addresses:
            return ()
        with ThreadPoolExecutor(min(len(self.addresses), MAX_THREADS), "gateway-state") as pool:
            return list(pool.map(_observe, self.addresses))


def _observe(address: str) -> ObservedGateway:
    try:
        return ObservedGateway(address, read_gateway_state(_fetch_metrics(address)))
    except (OSError, HTTPException, ValueError) as error:
        return ObservedGateway(address, None, str(error) or type(error).__name__)


def _fetch_metrics(address: str) -> str:
    """Return the metrics at `address`. Raises OSError, HTTPException or ValueError."""
    connection = _connect(address)
    try:
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        body = response.read(MAX_BYTES + 1)
        if response.status != 200 or len(body) > MAX_BYTES:
            raise ValueError(f"answered {response.status} with {len(body)} bytes")
        return body.decode("utf-8")
    finally:
        connection.close()


def _connect(address: str) -> HTTPConnection:
    if not address.startswith("unix:"):
        return HTTPConnection(address, timeout=TIMEOUT_SECONDS)
    connection = HTTPConnection("localhost", timeout=TIMEOUT_SECONDS)
    connection.sock = _open_socket(address.removeprefix("unix:"))
    return connection


def _open_socket(path: str) -> socket.socket:
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        opened.settimeout(TIMEOUT_SECONDS)
        opened.connect(path)
    except OSError:
        opened.close()
        raise
    return opened
