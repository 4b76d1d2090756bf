"""Single flight: concurrent calls for one key share one execution and its result."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from functools import partial
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")

Call = Callable[[], Coroutine[Any, Any, Result]]


class SingleFlight(Generic[Key, Result]):
    """The calls in progress in this worker, by key. Other workers make their own calls."""

    def __init__(self) -> None:
        self._tasks: dict[Key, asyncio.Task[Result]] = {}

    def __contains__(self, key: Key) -> bool:
        """Return whether a call for `key` is in progress."""
        return key in self._tasks

    def do(self, key: Key, call: Call[Result]) -> Awaitable[Result]:
        """Return the result of the call for `key` that is in progress, or else of `call()`.

        A caller that is cancelled while it waits does not cancel the call for the others.
        Raises what the call raises.
        """
        return asyncio.shield(self.start(key, call))

    def start(self, key: Key, call: Call[Result]) -> asyncio.Task[Result]:
        """Return the running task for `key`; start one for `call()` if there is none.

        Do not cancel the task, because other callers may wait for it.
        """
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.create_task(call())
            self._tasks[key] = task
            task.add_done_callback(partial(self._remove, key))
        return task

    def _remove(self, key: Key, task: asyncio.Task[Result]) -> None:
        del self._tasks[key]
        if not task.cancelled():
            # If every caller was cancelled, the loop would log "Task exception was never retrieved".
            task.exception()
