"""The jobs beside the requests: one that fails goes on, and all of them stop with the worker."""

import asyncio
from contextlib import suppress

import pytest

from gateway import background
from gateway.background import Background


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
        jobs = Background([failing, steady])
        jobs.start()
        await settled.wait()
        await jobs.stop()

    asyncio.run(live())
    assert runs == {"failing": 3, "steady": 1}
    assert ended == ["steady"]


def test_a_job_that_loses_a_cancellation_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `asyncio.wait_for` does before Python 3.12, when what it waits for has come at the same time."""
    monkeypatch.setattr(background, "_CANCEL_AGAIN", 0.01)
    started, lost = asyncio.Event(), asyncio.Event()

    async def careless() -> None:
        with suppress(asyncio.CancelledError):
            started.set()
            await asyncio.Event().wait()
        lost.set()
        await asyncio.Event().wait()

    async def live() -> None:
        jobs = Background([careless])
        jobs.start()
        await started.wait()
        await asyncio.wait_for(jobs.stop(), 5)

    asyncio.run(live())
    assert lost.is_set()
