"""The transport of a client connection: flow control, upgrades and closing."""

import asyncio
from typing import cast

import pytest

from gateway.server.client_transport import ClientTransport
from gateway.server.connection_deadlines import NEVER, ClientTimeouts, ConnectionDeadlines
from gateway.server.lingering_close import LingeringClose
from tests.gateway.server.in_memory import MemoryTransport, MovableLoop


class NextProtocol:
    """A protocol that takes a connection over."""

    def enforce_deadlines(self, now: float) -> None:
        """Do nothing: it has no deadlines."""


class MemoryClient:
    """A client transport without sockets."""

    def __init__(self) -> None:
        self.loop = MovableLoop()
        self.raw = MemoryTransport()
        self.deadlines = ConnectionDeadlines(ClientTimeouts(), self.loop.time())
        loop = cast(asyncio.AbstractEventLoop, self.loop)
        self.transport = ClientTransport(self.raw, self.deadlines, loop)


def test_nothing_is_written_after_the_connection_is_handed_over() -> None:
    client = MemoryClient()
    next_protocol = NextProtocol()
    assert client.transport.hand_over(next_protocol) is client.raw
    client.transport.write(b"late")
    assert (client.raw.sent, client.transport.is_open) == (b"", False)
    assert client.transport.next_protocol is next_protocol


@pytest.mark.parametrize("end", ["lost", "abort"])
def test_a_lost_or_aborted_connection_cannot_be_handed_over(end: str) -> None:
    client = MemoryClient()
    getattr(client.transport, end)()
    with pytest.raises(ConnectionError):
        client.transport.hand_over(NextProtocol())


def test_a_lingering_close_takes_the_connection_over_once() -> None:
    client = MemoryClient()
    client.transport.close(lambda error: None, 60, is_worker_stopping=False)
    closing = client.transport.next_protocol
    assert isinstance(closing, LingeringClose)
    client.transport.close(lambda error: None, 60, is_worker_stopping=True)
    assert client.transport.next_protocol is closing
    assert client.raw.state == "eof"


def test_a_pause_in_reading_does_not_count_against_the_client() -> None:
    client = MemoryClient()
    client.transport.pause_reading()
    client.loop.move(100)
    assert not client.raw.is_reading()
    client.transport.resume_reading()
    assert client.raw.is_reading()
    assert client.deadlines.received_at == client.loop.time()


def test_the_write_deadline_runs_while_writing_is_paused() -> None:
    client = MemoryClient()
    client.transport.pause_writing()
    assert client.deadlines.write == client.loop.time() + ClientTimeouts().write
    client.transport.resume_writing()
    assert client.deadlines.write == NEVER


@pytest.mark.parametrize("end", ["resume_writing", "lost"])
def test_drain_waits_until_the_client_reads_or_is_gone(end: str) -> None:
    async def drain_twice() -> None:
        loop = asyncio.get_running_loop()
        transport = ClientTransport(MemoryTransport(), ConnectionDeadlines(ClientTimeouts(), 0), loop)
        await transport.drain()
        transport.pause_writing()
        waiting = asyncio.create_task(transport.drain())
        await asyncio.sleep(0)
        assert not waiting.done()
        getattr(transport, end)()
        async with asyncio.timeout(5):
            await waiting

    asyncio.run(drain_twice())
