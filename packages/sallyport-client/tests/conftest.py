"""Fixtures: a gateway that counts, and one client of each kind, with the same verbs."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
import pytest
import requests
from fake_gateway import FakeGateway, running

import sallyport_client.httpx
import sallyport_client.requests
from sallyport_client import MemoryStore, RetryPolicy, Session, Tokens

FAST = RetryPolicy(total_seconds=5, attempt_seconds=2, first_pause=0.01, longest_pause=0.02)


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    """Return a running gateway."""
    with running(FakeGateway()) as gateway:
        yield gateway


@pytest.fixture
def elsewhere() -> Iterator[FakeGateway]:
    """Return a server of another origin."""
    with running(FakeGateway()) as gateway:
        yield gateway


class Clock:
    """A clock that is moved. `sleep` moves it too."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Move the clock."""
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands still."""
    return Clock()


@dataclass
class Got:
    """A response, whatever the library."""

    status: int
    document: Any
    history: int = 0


class Library(Protocol):
    """One HTTP library with its SallyportAuth."""

    auth: Session

    def send(self, method: str, path: str, **parts: Any) -> Got:
        """Send one request; redirects are followed."""

    def send_together(self, count: int, path: str) -> list[Got]:
        """Send GET requests at the same time."""


class Httpx:
    """httpx.Client, shared by threads."""

    def __init__(self, url: str, *arguments: Any, **options: Any) -> None:
        self.url = url
        self.auth = sallyport_client.httpx.SallyportAuth(url, *arguments, **options)
        self.client = httpx.Client(auth=self.auth, follow_redirects=True, trust_env=False)

    def send(self, method: str, path: str, **parts: Any) -> Got:
        response = self.client.request(method, self.url + path, **parts)
        return Got(response.status_code, response.json() if response.content else None, len(response.history))

    def send_together(self, count: int, path: str) -> list[Got]:
        with ThreadPoolExecutor(count) as threads:
            return list(threads.map(lambda _: self.send("GET", path), range(count)))

    def close(self) -> None:
        self.client.close()


class HttpxAsync:
    """httpx.AsyncClient: one event loop for each call."""

    def __init__(self, url: str, *arguments: Any, **options: Any) -> None:
        self.url = url
        self.auth = sallyport_client.httpx.SallyportAuth(url, *arguments, **options)

    def send(self, method: str, path: str, **parts: Any) -> Got:
        return asyncio.run(self._send_all(1, method, path, parts))[0]

    def send_together(self, count: int, path: str) -> list[Got]:
        return asyncio.run(self._send_all(count, "GET", path, {}))

    async def _send_all(self, count: int, method: str, path: str, parts: Any) -> list[Got]:
        async with httpx.AsyncClient(auth=self.auth, follow_redirects=True, trust_env=False) as client:
            calls = [client.request(method, self.url + path, **parts) for _ in range(count)]
            responses = await asyncio.gather(*calls)
        return [Got(r.status_code, r.json() if r.content else None, len(r.history)) for r in responses]

    def close(self) -> None:
        """Nothing is open between calls."""


class Requests:
    """requests, with a session for each call."""

    def __init__(self, url: str, *arguments: Any, **options: Any) -> None:
        self.url = url
        self.auth = sallyport_client.requests.SallyportAuth(url, *arguments, **options)

    def send(self, method: str, path: str, **parts: Any) -> Got:
        with requests.Session() as session:
            session.auth = self.auth
            if "content" in parts:
                parts["data"] = parts.pop("content")
            response = session.request(method, self.url + path, timeout=30, **parts)
            return Got(response.status_code, response.json() if response.content else None, len(response.history))

    def send_together(self, count: int, path: str) -> list[Got]:
        with ThreadPoolExecutor(count) as threads:
            return list(threads.map(lambda _: self.send("GET", path), range(count)))

    def close(self) -> None:
        """Nothing is open between calls."""


LIBRARIES = {"httpx": Httpx, "httpx-async": HttpxAsync, "requests": Requests}
Start = Callable[..., Any]


@pytest.fixture(params=LIBRARIES)
def start(request: pytest.FixtureRequest, gateway: FakeGateway) -> Iterator[Start]:
    """Return a function that makes a client of the gateway; its arguments are those of SallyportAuth."""
    started: list[Any] = []

    def start(*arguments: Any, **options: Any) -> Any:
        options.setdefault("retry", FAST)
        started.append(LIBRARIES[request.param](gateway.url, *arguments, **options))
        return started[-1]

    yield start
    for client in started:
        client.close()


@pytest.fixture
def client(start: Start) -> Any:
    """Return a client that is logged in."""
    client = start()
    client.auth.log_in("ann@example.com", "right")
    return client


def stored(gateway: FakeGateway) -> MemoryStore:
    """Return a store with tokens that an earlier process left."""
    document = gateway.tokens()
    return MemoryStore(Tokens(document["access"], document["refresh"]))


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds; fail after five seconds."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "not within five seconds"
        time.sleep(0.005)
