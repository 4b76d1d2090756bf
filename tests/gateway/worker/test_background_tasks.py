"""The jobs beside the requests: one that fails goes on, and all of them stop with the worker."""

import asyncio
from contextlib import suppress

import pytest

from gateway.worker import background_tasks as background
from gateway.worker.background_tasks import BackgroundTasks


def test_a_job_that_fails_is_started_again_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_RESTART_PAUSE", 0)
    settled = asyncio.Event()
    runs = {"failing": 0, "steady": 0}
    ended: list[str] = []

    async def failing() -> None:
        runs["failing"] += 1
        if runs["failing"] < 3:
            raise RuntimeError("by chance")
        settled.set()
        await asyncio.Event().wait()

    async def steady() -> None:
        runs["steady"] += 1
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("steady")

    async def live() -> None:
        jobs = BackgroundTasks([failing, steady])
        jobs.start()
        await settled.wait()
        await jobs.stop()

    asyncio.run(live())
    assert runs == {"failing": 3, "steady": 1}
    assert ended == ["steady"]


def test_a_job_that_loses_a_cancellation_ends_all_the_same() -> None:
    """asyncio.wait_for loses one in a million, and a worker that waits for its job would never stop."""
    lost: list[str] = []

    async def losing() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        lost.append("once")
        await asyncio.Event().wait()

    async def live() -> None:
        jobs = BackgroundTasks([losing])
        jobs.start()
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await jobs.stop()

    asyncio.run(live())
    assert lost == ["once"]
