"""The transport of a client connection: flow control, upgrades, and the ways in which a connection ends."""

import asyncio
from typing import cast

import pytest

from gateway.server.client_transport import ClientTransport
from gateway.server.connection_deadlines import NEVER, ClientTimeouts, ConnectionDeadlines
from gateway.server.lingering_close import LingeringClose
from tests.gateway.server.in_memory import MemoryTransport, MovableLoop


class Successor:
    """A protocol that takes a connection over."""

    def enforce_deadlines(self, now: float) -> None:
        """Has no deadlines."""


class Bench:
    """A client transport without sockets."""

    def __init__(self) -> None:
        self.loop = MovableLoop()
        self.raw = MemoryTransport()
        self.deadlines = ConnectionDeadlines(ClientTimeouts(), self.loop.time())
        loop = cast(asyncio.AbstractEventLoop, self.loop)
        self.transport = ClientTransport(self.raw, self.deadlines, loop)


def test_nothing_is_written_after_the_connection_is_handed_over() -> None:
    bench = Bench()
    successor = Successor()
    assert bench.transport.hand_over(successor) is bench.raw
    bench.transport.write(b"late")
    assert (bench.raw.sent, bench.transport.is_open) == (b"", False)
    assert bench.transport.successor is successor


@pytest.mark.parametrize("end", ["lost", "abort"])
def test_a_lost_connection_cannot_be_handed_over(end: str) -> None:
    bench = Bench()
    getattr(bench.transport, end)()
    with pytest.raises(ConnectionError):
        bench.transport.hand_over(Successor())


def test_a_close_in_stages_takes_the_connection_over_once() -> None:
    bench = Bench()
    bench.transport.close(lambda error: None, 60, is_worker_stopping=False)
    closing = bench.transport.successor
    assert isinstance(closing, LingeringClose)
    bench.transport.close(lambda error: None, 60, is_worker_stopping=True)
    assert bench.transport.successor is closing
    assert bench.raw.state == "eof"


def test_reading_is_paused_and_resumed_once() -> None:
    bench = Bench()
    bench.transport.pause_reading()
    bench.loop.move(100)
    assert not bench.raw.is_reading()
    bench.transport.resume_reading()
    assert bench.raw.is_reading()
    assert bench.deadlines.received_at == bench.loop.time(), "the pause does not count against the client"


def test_the_write_deadline_runs_while_writing_is_paused() -> None:
    bench = Bench()
    bench.transport.pause_writing()
    assert bench.deadlines.write == bench.loop.time() + ClientTimeouts().write
    bench.transport.resume_writing()
    assert bench.deadlines.write == NEVER


@pytest.mark.parametrize("end", ["resume_writing", "lost"])
def test_drain_waits_until_the_client_reads_or_is_gone(end: str) -> None:
    async def play() -> None:
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

    asyncio.run(play())
