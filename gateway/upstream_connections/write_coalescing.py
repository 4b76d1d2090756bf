"""Owns requests between the moment they are ready and the moment they are sent: at the end of the loop's turn.

A turn reads what many clients sent. A write in between wakes the service, which has its answer ready and sleeps again
before the next; together they wake it once. With 32 connections that is 3 of 25 us a request, and 12 of 82 where each
token is verified first, which leaves the service time to fall asleep. Who is alone in a turn waits for nobody.
"""

import asyncio
from typing import Protocol

from gateway.upstream_connections.receive_buffer import is_readable


class Sender(Protocol):
    """A connection on which a request is written."""

    awaits_answer: bool
    """Whether its request was written."""


Sending = tuple[Sender, asyncio.Transport, bytes]


class WriteCoalescer:
    """What is to be sent at the end of this turn, in the order in which it was put here."""

    def __init__(self) -> None:
        self._waiting: list[Sending] = []
        self._checked: list[Sending] = []

    def put(self, loop: asyncio.AbstractEventLoop, sender: Sender, transport: asyncio.Transport, data: bytes) -> None:
        """Writes `data` to the transport of `sender` at the end of the turn, unless it is closed by then."""
        if not self._waiting:
            loop.call_soon(self._send)
        self._waiting.append((sender, transport, data))

    def put_checked(
        self, loop: asyncio.AbstractEventLoop, sender: Sender, transport: asyncio.Transport, data: bytes
    ) -> None:
        """As put, but closes the transport where it holds bytes that the loop has not read (docs/decisions/0023)."""
        if not self._checked:
            loop.call_soon(self._send_checked)
        self._checked.append((sender, transport, data))

    def _send_checked(self) -> None:
        checked, self._checked = self._checked, []
        for sender, transport, data in checked:
            if transport.is_closing():
                continue
            if is_readable(transport):
                transport.abort()
                continue
            sender.awaits_answer = True
            transport.write(data)

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        for sender, transport, data in waiting:
            if not transport.is_closing():
                sender.awaits_answer = True
                transport.write(data)
