"""A suspendable function that does not wait needs no task; one that waits continues in a task."""

import asyncio

import pytest

from gateway.suspendable import Suspendable, resume, run, wait_for


def total(*numbers: "asyncio.Future[int] | int") -> Suspendable[int]:
    """Add numbers, and wait for those that are futures."""
    result = 0
    for number in numbers:
        result += number if isinstance(number, int) else (yield from wait_for(number))
    return result


def test_a_function_that_does_not_wait_returns_at_the_first_step() -> None:
    with pytest.raises(StopIteration) as finished:
        total(1, 2).send(None)
    assert finished.value.value == 3


def test_run_returns_the_value_with_and_without_waiting() -> None:
    async def scenario() -> list[int]:
        later: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(later.set_result, 5)
        return [await run(total(1, 2)), await run(total(1, later, 3))]

    assert asyncio.run(scenario()) == [3, 9]


def test_a_function_that_began_outside_a_task_continues_in_one() -> None:
    """`asyncio.timeout`, which needs a task, works in the awaitable."""

    async def answer() -> int:
        async with asyncio.timeout(1):
            await asyncio.sleep(0)
        return 7

    def double() -> Suspendable[int]:
        return 2 * (yield from wait_for(answer()))

    results: list[int] = []

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def begin() -> None:  # a callback of the loop, so it runs outside any task
            suspended = double()
            awaitable = suspended.send(None)

            async def finish() -> None:
                results.append(await resume(suspended, awaitable))
                done.set()

            tasks.append(loop.create_task(finish()))

        tasks: list[asyncio.Task[None]] = []
        loop.call_soon(begin)
        await done.wait()

    asyncio.run(scenario())
    assert results == [14]


def test_an_error_of_the_awaitable_is_raised_where_the_function_waits() -> None:
    async def fail() -> int:
        raise LookupError("nothing there")

    def with_default() -> Suspendable[int]:
        try:
            return (yield from wait_for(fail()))
        except LookupError:
            return -1

    assert asyncio.run(run(with_default())) == -1
    with pytest.raises(LookupError):
        asyncio.run(run(wait_for(fail())))


def test_a_function_cleans_up_when_its_task_is_cancelled() -> None:
    cleaned = []

    def clean_up() -> Suspendable[None]:
        try:
            yield from wait_for(asyncio.Event().wait())
        finally:
            cleaned.append(True)

    async def scenario() -> None:
        task = asyncio.create_task(run(clean_up()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    assert cleaned == [True]
