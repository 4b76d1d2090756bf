"""Concurrent calls for one key share one execution, and a cancelled caller does not cancel it for the others."""

import asyncio
import gc
from collections.abc import Awaitable, Callable

import pytest

from gateway.single_flight import SingleFlight


class Backend:
    """A slow function that counts its calls and answers when it is released."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.released = asyncio.Event()
        self.error: Exception | None = None
        self.flight = SingleFlight[str, str]()

    async def call(self, key: str) -> str:
        """Call through the single flight."""
        return await self.flight.do(key, lambda: self.answer(key))

    async def answer(self, key: str) -> str:
        """Answer once released."""
        self.calls.append(key)
        await self.released.wait()
        if self.error is not None:
            raise self.error
        return f"result of {key}"


def run(check: Callable[[Backend], Awaitable[None]]) -> None:
    async def main() -> None:
        await check(Backend())

    asyncio.run(main())


def test_concurrent_callers_of_one_key_share_one_call() -> None:
    async def check(backend: Backend) -> None:
        callers = [asyncio.create_task(backend.call(key)) for key in ("a", "a", "b", "a")]
        await asyncio.sleep(0)
        assert "a" in backend.flight
        backend.released.set()
        assert await asyncio.gather(*callers) == ["result of a", "result of a", "result of b", "result of a"]
        assert sorted(backend.calls) == ["a", "b"]

    run(check)


def test_a_later_caller_starts_a_call_of_its_own() -> None:
    async def check(backend: Backend) -> None:
        backend.released.set()
        await backend.call("a")
        await asyncio.sleep(0)
        assert "a" not in backend.flight
        await backend.call("a")
        assert backend.calls == ["a", "a"]

    run(check)


def test_a_cancelled_caller_does_not_cancel_the_call_for_the_others() -> None:
    async def check(backend: Backend) -> None:
        first, second = (asyncio.create_task(backend.call("a")) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        assert first.cancelled()
        backend.released.set()
        assert await second == "result of a"
        assert backend.calls == ["a"]

    run(check)


def test_every_caller_gets_the_error_and_the_next_caller_starts_a_new_call() -> None:
    async def check(backend: Backend) -> None:
        backend.error = ValueError("broken")
        backend.released.set()
        callers = [asyncio.create_task(backend.call("a")) for _ in range(3)]
        results = await asyncio.gather(*callers, return_exceptions=True)
        assert [str(result) for result in results] == ["broken"] * 3
        backend.error = None
        assert await backend.call("a") == "result of a"

    run(check)


def test_the_loop_does_not_report_an_error_whose_callers_are_all_cancelled() -> None:
    async def check(backend: Backend) -> None:
        reported: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
        backend.error = ValueError("broken")
        caller = asyncio.create_task(backend.call("a"))
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        backend.released.set()
        await asyncio.sleep(0.01)
        gc.collect()
        assert "a" not in backend.flight
        assert reported == []

    run(check)
