"""Background tasks are restarted when they fail, and stop with the worker."""

import asyncio
from contextlib import suppress

from gateway.worker.background_tasks import BackgroundTasks


def test_a_job_that_fails_is_restarted_and_the_others_continue() -> None:
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
        tasks = BackgroundTasks([failing, steady], restart_delay=0)
        tasks.start()
        await settled.wait()
        await tasks.stop()

    asyncio.run(live())
    assert runs == {"failing": 3, "steady": 1}
    assert ended == ["steady"]


def test_a_job_that_loses_a_cancellation_is_cancelled_again() -> None:
    """asyncio.wait_for can lose one (cpython#86296); without a second one the worker would never stop."""
    lost: list[str] = []

    async def losing() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        lost.append("once")
        await asyncio.Event().wait()

    async def live() -> None:
        tasks = BackgroundTasks([losing])
        tasks.start()
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await tasks.stop()

    asyncio.run(live())
    assert lost == ["once"]
