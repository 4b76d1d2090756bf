"""Concurrency limits: waiting requests get slots first in, first out, and every slot is released."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from contract.problems import Refused
from gateway.rate_limits.concurrency import ClientGone, ConcurrencyQueue
from gateway.routing.routes import ConcurrencyLimit


@dataclass
class WaitingClient:
    """A client that waits for a slot."""

    disconnected: bool = False
    on_disconnect: Callable[[], None] | None = None

    def disconnect(self) -> None:
        """Close the connection."""
        self.disconnected = True
        if self.on_disconnect is not None:
            self.on_disconnect()


def test_a_released_slot_goes_to_the_request_that_has_waited_longest() -> None:
    async def scenario() -> None:
        queue = ConcurrencyQueue(ConcurrencyLimit(1, queue=9))
        slot = queue.try_acquire()
        assert slot is not None
        order: list[int] = []

        async def one(number: int) -> None:
            with await queue.acquire(WaitingClient()):
                order.append(number)

        tasks = [asyncio.create_task(one(number)) for number in range(5)]
        await asyncio.sleep(0)
        assert (queue.in_use, queue.waiting) == (1, 5)
        slot.release()
        assert queue.try_acquire() is None, "a new request overtook the waiting ones"
        await asyncio.gather(*tasks)
        assert order == [0, 1, 2, 3, 4]
        assert (queue.in_use, queue.waiting) == (0, 0)

    asyncio.run(scenario())


def test_a_second_release_does_nothing() -> None:
    queue = ConcurrencyQueue(ConcurrencyLimit(2))
    first, second = queue.try_acquire(), queue.try_acquire()
    assert first is not None
    assert second is not None
    first.release()
    first.release()
    assert queue.in_use == 1


def test_a_disconnected_client_does_not_wait() -> None:
    async def scenario() -> None:
        queue = ConcurrencyQueue(ConcurrencyLimit(1, queue=9))
        with pytest.raises(ClientGone):
            await queue.acquire(WaitingClient(disconnected=True))
        assert queue.in_use == 0

    asyncio.run(scenario())


def test_a_slot_passed_on_in_the_loop_iteration_in_which_the_wait_ends_is_not_lost() -> None:
    """The client disconnects or the task is cancelled, just before or just after the slot is passed on."""

    async def scenario() -> None:
        for end_first in (True, False):
            for cause in ("disconnected", "cancelled"):
                queue = ConcurrencyQueue(ConcurrencyLimit(1, queue=9))
                slot = queue.try_acquire()
                assert slot is not None
                client = WaitingClient()
                task = asyncio.create_task(queue.acquire(client))
                await asyncio.sleep(0)
                end = client.disconnect if cause == "disconnected" else task.cancel
                steps: list[Callable[[], object]] = [end, slot.release]
                for step in steps if end_first else reversed(steps):
                    step()
                (result,) = await asyncio.gather(task, return_exceptions=True)
                if not isinstance(result, BaseException):  # the slot was passed on first, and the request continues
                    result.release()
                assert (queue.in_use, queue.waiting) == (0, 0), (end_first, cause)

    asyncio.run(scenario())


def test_no_slot_is_lost_in_any_order_of_events() -> None:
    """A thousand clients get a slot, disconnect, are cancelled or are refused, at random."""
    rng = random.Random(7)

    async def scenario() -> None:
        queue = ConcurrencyQueue(ConcurrencyLimit(3, queue=20, max_wait=0.01))
        most = 0

        async def one(client: WaitingClient) -> None:
            nonlocal most
            with await queue.acquire(client):
                most = max(most, queue.in_use)
                await asyncio.sleep(rng.choice((0, 0, 0.001)))
                if rng.random() < 0.2:
                    raise ValueError("the exchange failed")

        # First come more clients than fit into slots and queue. One that waits disconnects, another is cancelled.
        crowd = [WaitingClient() for _ in range(30)]
        tasks = [asyncio.create_task(one(client)) for client in crowd]
        asyncio.get_running_loop().call_soon(crowd[10].disconnect)
        asyncio.get_running_loop().call_soon(tasks[11].cancel)
        for _ in range(1_000):
            client = WaitingClient()
            task = asyncio.create_task(one(client))
            tasks.append(task)
            if rng.random() < 0.3:
                asyncio.get_running_loop().call_later(rng.random() * 0.004, client.disconnect)
            if rng.random() < 0.3:
                asyncio.get_running_loop().call_later(rng.random() * 0.004, task.cancel)
            if rng.random() < 0.3:
                await asyncio.sleep(rng.choice((0, 0.001)))
        results = await asyncio.gather(*tasks, return_exceptions=True)
        kinds = {type(result) for result in results}
        assert kinds == {type(None), ValueError, ClientGone, asyncio.CancelledError, Refused}
        assert most == 3
        assert (queue.in_use, queue.waiting) == (0, 0)

    asyncio.run(scenario())
