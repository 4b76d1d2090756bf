"""Places are given out in order and come back on every way out."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from contract.problems import Refused
from gateway.rate_limits.concurrency import ClientGone, ConcurrencyQueue
from gateway.routing.routes import ConcurrencyLimit


@dataclass
class Waiting:
    """A client that waits for a place."""

    disconnected: bool = False
    on_disconnect: Callable[[], None] | None = None

    def go_away(self) -> None:
        """Closes the connection."""
        self.disconnected = True
        if self.on_disconnect is not None:
            self.on_disconnect()


def test_the_place_that_comes_free_goes_to_whoever_has_waited_longest() -> None:
    async def scenario() -> None:
        queue = ConcurrencyQueue(ConcurrencyLimit(1, queue=9))
        slot = queue.try_acquire()
        assert slot is not None
        order: list[int] = []

        async def one(number: int) -> None:
            with await queue.acquire(Waiting()):
                order.append(number)

        tasks = [asyncio.create_task(one(number)) for number in range(5)]
        await asyncio.sleep(0)
        assert (queue.in_use, queue.waiting) == (1, 5)
        slot.release()
        assert queue.try_acquire() is None, "a newcomer overtook those who wait"
        await asyncio.gather(*tasks)
        assert order == [0, 1, 2, 3, 4]
        assert (queue.in_use, queue.waiting) == (0, 0)

    asyncio.run(scenario())


def test_giving_back_twice_frees_one_place() -> None:
    queue = ConcurrencyQueue(ConcurrencyLimit(2))
    first, second = queue.try_acquire(), queue.try_acquire()
    assert first is not None
    assert second is not None
    first.release()
    first.release()
    assert queue.in_use == 1


def test_a_client_that_has_gone_does_not_wait() -> None:
    async def scenario() -> None:
        queue = ConcurrencyQueue(ConcurrencyLimit(1, queue=9))
        with pytest.raises(ClientGone):
            await queue.acquire(Waiting(disconnected=True))
        assert queue.in_use == 0

    asyncio.run(scenario())


def test_a_place_that_comes_in_the_moment_in_which_the_wait_ends_is_not_lost() -> None:
    """By the client's going, by a cancelled task, and in either order."""

    async def scenario() -> None:
        for end_first in (True, False):
            for ends in ("gone", "cancelled"):
                queue = ConcurrencyQueue(ConcurrencyLimit(1, queue=9))
                slot = queue.try_acquire()
                assert slot is not None
                client = Waiting()
                task = asyncio.create_task(queue.acquire(client))
                await asyncio.sleep(0)
                end = client.go_away if ends == "gone" else task.cancel
                steps: list[Callable[[], object]] = [end, slot.release]
                for step in steps if end_first else reversed(steps):
                    step()
                (result,) = await asyncio.gather(task, return_exceptions=True)
                if not isinstance(result, BaseException):  # the place came first: the request goes on with it
                    result.release()
                assert (queue.in_use, queue.waiting) == (0, 0), (end_first, ends)

    asyncio.run(scenario())


def test_no_place_is_lost_whatever_happens_in_whatever_order() -> None:
    """A thousand clients that get a place, give up, are cancelled or come too late, at random."""
    luck = random.Random(7)

    async def scenario() -> None:
        queue = ConcurrencyQueue(ConcurrencyLimit(3, queue=20, max_wait=0.01))
        most = 0

        async def one(client: Waiting) -> None:
            nonlocal most
            with await queue.acquire(client):
                most = max(most, queue.in_use)
                await asyncio.sleep(luck.choice((0, 0, 0.001)))
                if luck.random() < 0.2:
                    raise ValueError("the exchange failed")

        # At first more than there is room for come at once; one of those who wait goes away, one is cancelled.
        crowd = [Waiting() for _ in range(30)]
        tasks = [asyncio.create_task(one(client)) for client in crowd]
        asyncio.get_running_loop().call_soon(crowd[10].go_away)
        asyncio.get_running_loop().call_soon(tasks[11].cancel)
        for _ in range(1_000):
            client = Waiting()
            task = asyncio.create_task(one(client))
            tasks.append(task)
            if luck.random() < 0.3:
                asyncio.get_running_loop().call_later(luck.random() * 0.004, client.go_away)
            if luck.random() < 0.3:
                asyncio.get_running_loop().call_later(luck.random() * 0.004, task.cancel)
            if luck.random() < 0.3:
                await asyncio.sleep(luck.choice((0, 0.001)))
        results = await asyncio.gather(*tasks, return_exceptions=True)
        kinds = {type(result) for result in results}
        assert kinds == {type(None), ValueError, ClientGone, asyncio.CancelledError, Refused}
        assert most == 3
        assert (queue.in_use, queue.waiting) == (0, 0)

    asyncio.run(scenario())
