"""Run coroutines on the worker's event loop from the threads of the gateway's own Flask endpoints."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

TIMEOUT = 12.0
"""Seconds. Only a last resort, because the coroutines have shorter timeouts of their own."""


class LoopBridge:
    """Runs coroutines on the attached event loop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Set the event loop. Called once, when the worker starts."""
        self._loop = loop

    def wait_for(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run `coroutine` on the event loop, and return its result or raise its exception.

        The caller must be in another thread than the loop's. Raises TimeoutError after TIMEOUT seconds, and
        RuntimeError before the worker has started.
        """
        if self._loop is None:
            coroutine.close()
            raise RuntimeError("the worker has not started")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(TIMEOUT)
