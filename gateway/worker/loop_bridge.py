"""Lets the threads of the gateway's own endpoints use what lives on the worker's loop."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Answer = TypeVar("Answer")

TIMEOUT = 12.0
"""Seconds. What is called on the loop has shorter deadlines of its own."""


class LoopBridge:
    """Runs coroutines on the loop it was attached to."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Names the loop; called once, when the worker starts."""
        self._loop = loop

    def wait_for(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """The result of `work`, or what it raises. For threads other than the loop's."""
        if self._loop is None:
            work.close()
            raise RuntimeError("the worker has not started")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(TIMEOUT)
