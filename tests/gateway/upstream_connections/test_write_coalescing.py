"""Requests that are ready in one iteration of the event loop are written together in the next one."""

import asyncio
from typing import cast

from gateway.upstream_connections.write_coalescing import WriteCoalescer


class FakeTransport:
    """A transport that appends each write to `written`."""

    def __init__(self, name: str, written: list[tuple[str, bytes]]) -> None:
        self._name = name
        self._written = written
        self._is_closing = False

    def write(self, data: bytes) -> None:
        """Record a write."""
        self._written.append((self._name, data))

    def abort(self) -> None:
        """Close the transport."""
        self._is_closing = True

    def is_closing(self) -> bool:
        """Return whether the transport is closed."""
        return self._is_closing


class Connection:
    """A connection whose request may be written."""

    request_written = False


def test_requests_of_one_iteration_are_written_together_in_order() -> None:
    written: list[tuple[str, bytes]] = []

    async def test() -> None:
        coalescer, loop = WriteCoalescer(), asyncio.get_running_loop()
        first, second = (cast(asyncio.Transport, FakeTransport(name, written)) for name in ("first", "second"))
        connection = Connection()
        coalescer.put(loop, connection, first, b"1")
        coalescer.put(loop, connection, second, b"2")
        assert written == []
        assert not connection.request_written
        await asyncio.sleep(0)
        assert written == [("first", b"1"), ("second", b"2")]
        coalescer.put(loop, connection, first, b"3")
        await asyncio.sleep(0)
        assert written[2:] == [("first", b"3")]

    asyncio.run(test())


def test_nothing_is_written_to_a_transport_that_closed_during_the_iteration() -> None:
    """The other requests of the iteration are written."""
    written: list[tuple[str, bytes]] = []

    async def test() -> None:
        coalescer, loop = WriteCoalescer(), asyncio.get_running_loop()
        open_connection, closed_connection = Connection(), Connection()
        closed, other = (cast(asyncio.Transport, FakeTransport(name, written)) for name in ("closed", "other"))
        coalescer.put(loop, closed_connection, closed, b"1")
        coalescer.put(loop, open_connection, other, b"2")
        closed.abort()
        await asyncio.sleep(0)
        assert (open_connection.request_written, closed_connection.request_written) == (True, False)

    asyncio.run(test())
    assert written == [("other", b"2")]
