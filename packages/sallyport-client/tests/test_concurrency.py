"""The promises about tasks, threads, event loops and forked processes that share one SallyportAuth."""

import asyncio
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import trio
from conftest import FAST, wait_until
from fake_gateway import FakeGateway

from sallyport_client import NetworkError, RetryPolicy
from sallyport_client.httpx import SallyportAuth

REFRESH = "/auth/jwt/refresh/"


@pytest.fixture
def auth(gateway: FakeGateway) -> SallyportAuth:
    """Return the authentication of a logged-in user whose access token has expired."""
    auth = SallyportAuth(gateway.url, retry=FAST)
    auth.log_in("ann@example.com", "right")
    gateway.expire_access_tokens()
    return auth


def test_a_cancelled_task_does_not_cancel_the_refresh_of_others(auth: SallyportAuth, gateway: FakeGateway) -> None:
    """deer-flow#4240: a cancelled waiter left the lock to nobody, and all others waited for ever."""
    gateway.refresh_seconds = 0.3

    async def run() -> None:
        async with httpx.AsyncClient(auth=auth, base_url=gateway.url, trust_env=False) as client:
            tasks = [asyncio.create_task(client.get("/api/notes/")) for _ in range(5)]
            await asyncio.to_thread(wait_until, lambda: gateway.count(REFRESH) == 1)
            tasks[0].cancel()
            tasks[3].cancel()
            results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        statuses = [result.status_code for result in results if isinstance(result, httpx.Response)]
        assert statuses == [200] * 3

    asyncio.run(run())
    assert gateway.count(REFRESH) == 1


def test_one_object_serves_several_event_loops_and_threads_at_once(auth: SallyportAuth, gateway: FakeGateway) -> None:
    """haystack#3789: an asyncio.Lock belonged to the first loop, and the second one failed."""
    gateway.refresh_seconds = 0.2

    async def get_three() -> list[int]:
        async with httpx.AsyncClient(auth=auth, base_url=gateway.url, trust_env=False) as client:
            return [
                response.status_code
                for response in await asyncio.gather(*(client.get("/api/notes/") for _ in range(3)))
            ]

    def in_a_thread(number: int) -> list[int]:
        if number % 2:
            return asyncio.run(get_three())
        with httpx.Client(auth=auth, base_url=gateway.url, trust_env=False) as client:
            return [client.get("/api/notes/").status_code]

    for refresh in (1, 2):
        with ThreadPoolExecutor(8) as threads:
            assert {status for found in threads.map(in_a_thread, range(8)) for status in found} == {200}
        assert gateway.count(REFRESH) == refresh
        gateway.expire_access_tokens()


def test_trio_is_supported(auth: SallyportAuth, gateway: FakeGateway) -> None:
    """httpx runs on it too."""

    async def run() -> int:
        async with httpx.AsyncClient(auth=auth, base_url=gateway.url, trust_env=False) as client:
            return (await client.get("/api/notes/")).status_code

    assert trio.run(run) == 200


def test_the_event_loop_goes_on_during_a_refresh(auth: SallyportAuth, gateway: FakeGateway) -> None:
    """fred#2309: a synchronous call stopped every other task."""
    gateway.refresh_seconds = 0.3
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.01)

    async def run() -> None:
        async with httpx.AsyncClient(auth=auth, base_url=gateway.url, trust_env=False) as client:
            task = asyncio.create_task(tick())
            await client.get("/api/notes/")
            task.cancel()

    asyncio.run(run())
    assert ticks > 10


def test_a_long_response_holds_up_no_other_request(auth: SallyportAuth, gateway: FakeGateway) -> None:
    """mcp python-sdk#3252: an open event stream held the lock until it ended."""
    with httpx.Client(auth=auth, base_url=gateway.url, trust_env=False) as client:
        stream = client.send(client.build_request("GET", "/api/events"), stream=True)
        assert stream.status_code == 200
        gateway.refused.add("1")
        assert client.get("/api/notes/").status_code == 200
        stream.close()


def test_a_refresh_whose_answer_never_ends_is_given_up(gateway: FakeGateway) -> None:
    """A timeout for each read does not end it; later requests start another one."""
    released = threading.Event()
    auth = SallyportAuth(gateway.url, retry=RetryPolicy(total_seconds=0.2, attempt_seconds=0.1))
    auth.log_in("ann@example.com", "right")
    gateway.expire_access_tokens()
    exchange = auth._exchange

    class Endless:
        def post(self, *arguments: object) -> object:
            released.wait(20)
            raise NetworkError("ended")

    auth._exchange = Endless()  # type: ignore[assignment]
    with httpx.Client(auth=auth, base_url=gateway.url, trust_env=False) as client:
        started = time.monotonic()
        with pytest.raises(httpx.TransportError, match="did not complete the refresh"):
            client.get("/api/notes/")
        assert time.monotonic() - started < 5
        auth._exchange = exchange
        assert client.get("/api/notes/").status_code == 200
    released.set()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_process_that_is_forked_during_a_refresh_goes_on(auth: SallyportAuth, gateway: FakeGateway) -> None:
    """It has the state of the refresh, but not its thread."""
    gateway.refresh_seconds = 0.5
    refresh = threading.Thread(target=auth.refresh)
    refresh.start()
    wait_until(lambda: gateway.count(REFRESH) == 1)
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if auth.refresh() else 1)
        except BaseException:  # noqa: BLE001 - the child must not return into pytest
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    refresh.join()


def test_verbs_for_tasks(gateway: FakeGateway) -> None:
    """`alog_in` and `alog_out` do not block the event loop."""
    auth = SallyportAuth(gateway.url)

    async def run() -> tuple[bool, bool]:
        await auth.alog_in("ann@example.com", "right")
        return auth.is_signed_in, await auth.alog_out()

    assert asyncio.run(run()) == (True, True)
    assert not auth.is_signed_in
