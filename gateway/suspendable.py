"""Functions that run without a task until they have to wait for something.

A `Suspendable[T]` is a generator. It yields an awaitable each time it has to wait, receives the result, and returns
a T. An event-loop callback starts it by sending None. If the generator returns, it did not have to wait, and no task
is created. If it yields, `resume` continues the same generator in a task.

A coroutine cannot replace it. If it is started outside a task and continued in one, `asyncio.timeout` in it fails,
because that needs the task from the start; no type checker reports this. Figures: docs/decisions/0025.
"""

from collections.abc import Awaitable, Generator
from typing import Any, TypeVar, cast

T = TypeVar("T")

Suspendable = Generator[Awaitable[object], object, T]

_RELEASED = cast(Awaitable[Any], None)
"""What a variable has instead of an awaitable that was awaited. mypyc rejects `del` of an argument."""


def wait_for(awaitable: Awaitable[T]) -> Suspendable[T]:
    """Wait for `awaitable` and return its result: `result = yield from wait_for(...)`. Raises what it raises."""
    try:
        return cast(T, (yield awaitable))
    finally:
        # A failed future and its error, whose traceback has this variable, would refer to each other.
        awaitable = _RELEASED


async def resume(suspendable: Suspendable[T], awaitable: Awaitable[object]) -> T:
    """Continue `suspendable`, which has yielded `awaitable`, and return its value. Raises what it raises."""
    try:
        while True:
            try:
                result = await awaitable
            except BaseException as error:  # noqa: BLE001 - CancelledError too: the generator has to clean up
                awaitable = _RELEASED  # as in `wait_for`
                awaitable = suspendable.throw(error)
            else:
                awaitable = suspendable.send(result)
    except StopIteration as finished:
        return cast(T, finished.value)


async def run(suspendable: Suspendable[T]) -> T:
    """Run `suspendable` from start to end in the current task and return its value. Raises what it raises."""
    try:
        return await resume(suspendable, suspendable.send(None))
    except StopIteration as finished:
        return cast(T, finished.value)
