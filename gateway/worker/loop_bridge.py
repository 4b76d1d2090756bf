"""Run coroutines on the worker's event loop from the threads of the gateway's own Flask endpoints."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

TIMEOUT = 12.0
"""Seconds. A backstop: what runs on the loop has shorter deadlines of its own."""


class LoopBridge:
    """Runs coroutines on the loop that it is attached to."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Set the loop. Called once, when the worker starts."""
        self._loop = loop

    def wait_for(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Return the result of `coroutine`, or raise its exception. Must not be called on the loop's own thread.

        Raises TimeoutError after TIMEOUT seconds, and RuntimeError before the worker has started.
        """
        if self._loop is None:
            coroutine.close()
            raise RuntimeError("the worker has not started")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(TIMEOUT)
