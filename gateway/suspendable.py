"""Functions that run without a task until they have to wait for something.

A `Suspendable[T]` is a generator. It yields an awaitable each time it has to wait, is sent the result, and returns
a T. A callback of the event loop sends None once. If the generator returns, nothing had to be waited for and no task
is made. If it yields, `resume` continues the same generator in a task.

A coroutine is no substitute: started outside a task and continued in one, it breaks at `asyncio.timeout`, which needs
the task from the start, and no type checker notices. Figures: docs/decisions/0025.
"""

from collections.abc import Awaitable, Generator
from typing import TypeVar, cast

T = TypeVar("T")

Suspendable = Generator[Awaitable[object], object, T]


def wait_for(awaitable: Awaitable[T]) -> Suspendable[T]:
    """Wait for `awaitable` and return its result: `result = yield from wait_for(...)`. Raises what it raises."""
    return cast(T, (yield awaitable))


async def resume(suspendable: Suspendable[T], awaitable: Awaitable[object]) -> T:
    """Continue `suspendable`, which has yielded `awaitable`, and return its value. Raises what it raises."""
    try:
        while True:
            try:
                result = await awaitable
            except BaseException as error:  # noqa: BLE001 - CancelledError too: the generator has to clean up
                awaitable = suspendable.throw(error)
            else:
                awaitable = suspendable.send(result)
    except StopIteration as finished:
        return cast(T, finished.value)


async def run(suspendable: Suspendable[T]) -> T:
    """Run `suspendable` from start to end in the current task and return its value. Raises what it raises."""
    try:
        awaitable = suspendable.send(None)
    except StopIteration as finished:
        return cast(T, finished.value)
    return await resume(suspendable, awaitable)
