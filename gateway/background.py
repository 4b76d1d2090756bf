"""Runs what goes on beside the requests of a worker: a task each, started and stopped together."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import structlog

Job = Callable[[], Coroutine[Any, Any, None]]
"""Runs until it is cancelled."""

_RESTART_PAUSE = 1.0
_CANCEL_AGAIN = 0.5
_log = structlog.get_logger("background")


class Background:
    """The jobs of a worker. One that fails is logged and started again: a request never depends on its luck."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._jobs = tuple(jobs)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Starts every job on the running loop."""
        self._tasks = [asyncio.create_task(_keep_running(job)) for job in self._jobs]

    async def stop(self) -> None:
        """Cancels every job and waits for it to end."""
        await end(*self._tasks)


async def end(*tasks: "asyncio.Task[None]") -> None:
    """Cancels these tasks and waits for them to end; what came of them is forgotten."""
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        # Before Python 3.12 `asyncio.wait_for`, with which redis-py sends, can lose a cancellation.
        _, running = await asyncio.wait(running, timeout=_CANCEL_AGAIN)
    await asyncio.gather(*tasks, return_exceptions=True)


async def _keep_running(job: Job) -> None:
    while True:
        try:
            await job()
        except Exception:  # noqa: BLE001 - whatever it was, the job has to go on
            _log.exception("a background job failed", job=getattr(job, "__qualname__", repr(job)))
            await asyncio.sleep(_RESTART_PAUSE)
