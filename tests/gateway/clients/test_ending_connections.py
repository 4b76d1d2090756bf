"""What came whole is answered before its connection ends, and whatever a request took is given back."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import RawClient
from tests.gateway.raw_upstream import WAIT, Conversation, RawUpstream, ok
from tests.gateway.running_gateway import RunningGateway, running

PLACES = 3
ROUTES = f"""
[upstreams.notes]
urls = ["${{RESOURCE_URL}}"]
identity = false
break_after = 0

[[routes]]
prefix = "/private/"
upstream = "notes"
access = "authenticated"

[[routes]]
prefix = "/bounded/"
upstream = "notes"
access = "public"
max_concurrent = {PLACES}
max_body = "1GiB"
"""

REFUSED = b"GET /private/ HTTP/1.1\r\nHost: h\r\n\r\n"
GOOD_GET = b"GET /bounded/get HTTP/1.1\r\nHost: h\r\n\r\n"
GOOD_POST = b"POST /bounded/post HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody"
GARBAGE = b"\0\r\n\r\n"


@pytest.fixture(scope="module")
def served(make_app: MakeApp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    routes: Path = tmp_path_factory.mktemp("routes") / "routes.toml"
    routes.write_text(ROUTES)
    with running(make_app(GATEWAY_ROUTES=str(routes))) as gateway:
        yield gateway


def statuses_until_the_end(client: RawClient) -> list[int]:
    """Every answer that comes before the server hangs up."""
    found: list[int] = []
    while True:
        try:
            found.append(client.answer().status)
        except ConnectionError:
            return found


def takes_as_many_as_it_may(gateway: RunningGateway, upstream: RawUpstream) -> bool:
    """Whether the bounded route serves PLACES requests at once."""
    arrived, go_on = threading.Semaphore(0), threading.Event()

    async def held(conversation: Conversation) -> None:
        await conversation.read_body()
        arrived.release()
        await asyncio.to_thread(go_on.wait, WAIT)
        await conversation.write(ok())

    def ask(_: int) -> int:
        with gateway.connect() as client:
            return client.ask("GET /bounded/ HTTP/1.1", "Host: h").status

    upstream.begin(held)
    with ThreadPoolExecutor(PLACES) as threads:
        asked = threads.map(ask, range(PLACES))
        all_arrived = [arrived.acquire(timeout=WAIT / 5) for _ in range(PLACES)]
        go_on.set()
        return all(all_arrived) and list(asked) == [200] * PLACES


@pytest.mark.parametrize("good", [GOOD_GET, GOOD_POST])
@pytest.mark.parametrize("warm", [False, True])
def test_what_came_whole_before_garbage_is_answered_in_its_turn(
    served: RunningGateway, upstream: RawUpstream, caplog: pytest.LogCaptureFixture, good: bytes, warm: bool
) -> None:
    """By the short way, over a connection that idles, and by the long one; and each place comes back."""
    for _ in range(PLACES):
        upstream.begin()
        with served.connect() as client:
            if warm:  # a connection to the service idles then
                assert client.ask("GET /bounded/ HTTP/1.1", "Host: h").status == 200
            client.send(REFUSED + good + GARBAGE)
            assert statuses_until_the_end(client) == [401, 200, 400]
        assert len(upstream.requests) == 1 + warm
    assert caplog.records == []
    assert takes_as_many_as_it_may(served, upstream)
