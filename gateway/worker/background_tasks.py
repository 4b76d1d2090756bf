"""Runs what goes on beside the requests of a worker: a task each, started and stopped together."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import structlog

Job = Callable[[], Coroutine[Any, Any, None]]
"""Runs until it is cancelled."""

_RESTART_PAUSE = 1.0
_CANCEL_AGAIN = 0.1
_log = structlog.get_logger("background")


class BackgroundTasks:
    """The jobs of a worker. One that fails is logged and started again: a request never depends on its luck."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._jobs = tuple(jobs)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Starts every job on the running loop."""
        self._tasks = [asyncio.create_task(_keep_running(job)) for job in self._jobs]

    async def stop(self) -> None:
        """Cancels every job and waits for it to end."""
        left = set(self._tasks)
        while left:
            for task in left:
                task.cancel()
            # More than once where need be: until Python 3.12 asyncio.wait_for loses a cancellation that comes as what
            # it waits for is done (cpython#86296), and redis-py writes each command within one.
            _, left = await asyncio.wait(left, timeout=_CANCEL_AGAIN)


async def _keep_running(job: Job) -> None:
    while True:
        try:
            await job()
        except Exception:  # noqa: BLE001 - whatever it was, the job has to go on
            _log.exception("background_job_failed", job=getattr(job, "__qualname__", repr(job)))
            await asyncio.sleep(_RESTART_PAUSE)
