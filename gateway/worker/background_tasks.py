"""The background tasks of a worker: started and stopped together, and restarted when they fail."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import structlog

Job = Callable[[], Coroutine[Any, Any, None]]
"""A coroutine function that runs until it is cancelled."""

RESTART_DELAY = 1.0
"""Seconds from the failure of a job to its restart."""

_CANCEL_INTERVAL = 0.1
"""Seconds between two cancellations of a task that does not end."""

_log = structlog.get_logger("background")


class BackgroundTasks:
    """One task for each job. A job that fails is logged and restarted after `restart_delay` seconds."""

    def __init__(self, jobs: Iterable[Job], *, restart_delay: float = RESTART_DELAY) -> None:
        self._jobs = tuple(jobs)
        self._restart_delay = restart_delay
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start every job on the running loop."""
        self._tasks = [asyncio.create_task(self._keep_running(job)) for job in self._jobs]

    async def stop(self) -> None:
        """Cancel every job and wait until it ends."""
        running = set(self._tasks)
        while running:
            for task in running:
                task.cancel()
            # Cancelled again until it ends: before Python 3.12, asyncio.wait_for loses a cancellation that arrives
            # when its awaitable is done (cpython#86296), and redis-py writes each command in an asyncio.wait_for.
            _, running = await asyncio.wait(running, timeout=_CANCEL_INTERVAL)

    async def _keep_running(self, job: Job) -> None:
        while True:
            try:
                await job()
            except Exception:  # noqa: BLE001 - a job is restarted after any error
                _log.exception("background_job_failed", job=getattr(job, "__qualname__", repr(job)))
                await asyncio.sleep(self._restart_delay)
