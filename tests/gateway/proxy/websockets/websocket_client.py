"""A real WebSocket client, and the raw lines of a handshake. RFC 6455."""

from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from gateway.http.websocket_handshake import Handshake
from tests.gateway.raw_upstream import WAIT, Conversation
from tests.gateway.running_gateway import RunningGateway

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = ("Host: h", "Connection: keep-alive, Upgrade", "Upgrade: websocket")
HANDSHAKE = (*UPGRADE, "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}")
"""Header lines of a valid handshake."""


def open_websocket(
    gateway: RunningGateway, headers: dict[str, str] | None = None, path: str = "/ws/x", **options: Any
) -> ClientConnection:
    """Open a WebSocket through the gateway."""
    defaults: dict[str, Any] = {"additional_headers": headers, "proxy": None, "max_size": None, "close_timeout": 2}
    return connect(f"ws://127.0.0.1:{gateway.port}{path}", legacy=True, **(defaults | options))


def refusal_status(gateway: RunningGateway, headers: dict[str, str] | None = None, path: str = "/ws/x") -> int:
    """Return the status with which a handshake is refused."""
    with pytest.raises(InvalidStatus) as refused:
        open_websocket(gateway, headers, path)
    return refused.value.response.status_code


def received_close(client: ClientConnection) -> tuple[int, str]:
    """Return code and reason of the next Close frame."""
    with pytest.raises(ConnectionClosed) as closed:
        client.recv(WAIT)
    assert closed.value.rcvd is not None, "the connection ended without a Close frame"
    return closed.value.rcvd.code, closed.value.rcvd.reason


async def accept_handshake(conversation: Conversation) -> None:
    """Answer a handshake with a valid 101."""
    key = (conversation.request.get("sec-websocket-key") or "").encode()
    accept = Handshake(key, b"").accept.decode()
    head = (
        f"HTTP/1.1 101 Switch\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    )
    await conversation.write(head.encode())
