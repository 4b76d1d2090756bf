"""Claims hooks of the tests."""

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from auth_service.tokens.claims_hook import ClaimsRequest

requests: list[ClaimsRequest] = []
"""What `answer` was called with."""
answers: list[Callable[[ClaimsRequest], Any]] = []
"""What `answer` does; the last of them from then on."""
released = threading.Event()
"""Ends the calls of `hang`."""

number = 5


def reset() -> None:
    """Forget earlier tests."""
    requests.clear()
    answers[:] = [lambda request: {"tenant": f"tenant of {request.email}", "plan": {"seats": 3}}]
    released.clear()


def answer(request: ClaimsRequest) -> Mapping[str, Any]:
    """Return what the test wants."""
    requests.append(request)
    claims: Mapping[str, Any] = answers[-1](request)
    return claims


def fail(_: ClaimsRequest) -> Any:
    """Raise an error, as without a database."""
    raise ConnectionError("no directory")


def hang(_: ClaimsRequest) -> Any:
    """Return when the test is over."""
    released.wait(30)
    return {}


def end_process(_: ClaimsRequest) -> Any:
    """Try to end the process, as a library of commands does that finds its settings wrong."""
    sys.exit(3)


def cancel(_: ClaimsRequest) -> Any:
    """Raise what a cancelled coroutine raises, which is no Exception."""
    raise asyncio.CancelledError


def no_thread(_: threading.Thread) -> None:
    """Fail as `Thread.start` does if the process cannot have more threads."""
    raise RuntimeError("can't start new thread")


class SlowClaims(Mapping[str, Any]):
    """Claims that are fetched when they are read, which takes until the test is over."""

    def __getitem__(self, name: str) -> Any:
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        released.wait(30)
        return iter(())

    def __len__(self) -> int:
        return 0


def takes_two(request: ClaimsRequest, more: int) -> Mapping[str, Any]:
    """Take too many arguments."""
    return {}


async def is_async(request: ClaimsRequest) -> Mapping[str, Any]:
    """Return a coroutine."""
    return {}
