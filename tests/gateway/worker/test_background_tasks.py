"""Background tasks are restarted when they fail, and stop with the worker."""

import asyncio
from contextlib import suppress

from gateway.worker.background_tasks import BackgroundTasks


def test_a_job_that_fails_is_restarted_and_the_others_continue() -> None:
    third_run_began = asyncio.Event()
    runs = {"failing": 0, "steady": 0}
    ended: list[str] = []

    async def failing() -> None:
        runs["failing"] += 1
        if runs["failing"] < 3:
            raise RuntimeError("a failure of the test")
        third_run_began.set()
        await asyncio.Event().wait()

    async def steady() -> None:
        runs["steady"] += 1
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("steady")

    async def start_and_stop() -> None:
        tasks = BackgroundTasks([failing, steady], restart_delay=0)
        tasks.start()
        await third_run_began.wait()
        await tasks.stop()

    asyncio.run(start_and_stop())
    assert runs == {"failing": 3, "steady": 1}
    assert ended == ["steady"]


def test_a_job_that_loses_a_cancellation_is_cancelled_again() -> None:
    """asyncio.wait_for can lose a cancellation (cpython#86296). Without a second one the worker would never stop."""
    lost: list[str] = []

    async def losing() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        lost.append("once")
        await asyncio.Event().wait()

    async def start_and_stop() -> None:
        tasks = BackgroundTasks([losing])
        tasks.start()
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await tasks.stop()

    asyncio.run(start_and_stop())
    assert lost == ["once"]
