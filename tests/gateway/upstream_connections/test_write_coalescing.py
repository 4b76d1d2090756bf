"""Requests that are ready in one turn of the loop leave together, at its end."""

import asyncio
from typing import cast

from gateway.upstream_connections.write_coalescing import WriteCoalescer


class Transport:
    """Notes what is written to it, among others' in `sent`."""

    def __init__(self, name: str, sent: list[tuple[str, bytes]]) -> None:
        self._name = name
        self._sent = sent
        self._is_closing = False

    def write(self, data: bytes) -> None:
        """As of asyncio's."""
        self._sent.append((self._name, data))

    def abort(self) -> None:
        """As of asyncio's."""
        self._is_closing = True

    def is_closing(self) -> bool:
        """As of asyncio's."""
        return self._is_closing


class Sender:
    """A connection that is told when its request was written."""

    request_written = False


def test_what_is_put_in_one_turn_is_sent_at_its_end_in_order() -> None:
    sent: list[tuple[str, bytes]] = []

    async def turn() -> None:
        write_coalescer, loop = WriteCoalescer(), asyncio.get_running_loop()
        first, second = (cast(asyncio.Transport, Transport(name, sent)) for name in ("first", "second"))
        sender = Sender()
        write_coalescer.put(loop, sender, first, b"1")
        write_coalescer.put(loop, sender, second, b"2")
        assert sent == []
        assert not sender.request_written
        await asyncio.sleep(0)
        assert sent == [("first", b"1"), ("second", b"2")]
        write_coalescer.put(loop, sender, first, b"3")
        await asyncio.sleep(0)
        assert sent[2:] == [("first", b"3")]

    asyncio.run(turn())


def test_on_a_connection_that_was_closed_meanwhile_nothing_is_sent_and_on_the_others_all() -> None:
    sent: list[tuple[str, bytes]] = []

    async def turn() -> None:
        write_coalescer, loop = WriteCoalescer(), asyncio.get_running_loop()
        sender, late = Sender(), Sender()
        closed, other = (cast(asyncio.Transport, Transport(name, sent)) for name in ("closed", "other"))
        write_coalescer.put(loop, late, closed, b"1")
        write_coalescer.put(loop, sender, other, b"2")
        closed.abort()
        await asyncio.sleep(0)

        assert (sender.request_written, late.request_written) == (True, False)

    asyncio.run(turn())
    assert sent == [("other", b"2")]
