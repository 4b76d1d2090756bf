"""Clients in a background thread that send the same request over and over."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from tests.faults.support.connection import Connection, TimedResponse

CLIENTS = 150


@contextmanager
def looping_clients(url: str, path: str) -> Iterator[list[TimedResponse]]:
    """Run CLIENTS clients that repeat GET `path`, at once or after Retry-After; yield the list of responses."""
    responses: list[TimedResponse] = []
    stopping = threading.Event()

    async def run_client() -> None:
        async with Connection(url) as connection:
            while not stopping.is_set():
                responses.append(await connection.request("GET", path))
                await asyncio.sleep(float(responses[-1].retry_after or 0))

    async def run_clients() -> None:
        await asyncio.gather(*(run_client() for _ in range(CLIENTS)))

    thread = threading.Thread(target=lambda: asyncio.run(run_clients()), name="looping-clients")
    thread.start()
    try:
        yield responses
    finally:
        stopping.set()
        thread.join(30)
        assert not thread.is_alive()


@contextmanager
def client_at_rate(url: str, path: str, per_second: int) -> Iterator[None]:
    """Run one client that sends GET `path` at a fixed rate and ignores the responses."""
    stopping = threading.Event()

    def run_client() -> None:
        while not stopping.wait(1 / per_second):
            requests.get(url + path, timeout=10)

    thread = threading.Thread(target=run_client)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
