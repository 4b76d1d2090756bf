"""A service behind a route refuses, dawdles or breaks off: its own callers are told so, and nobody else notices."""

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from stack.plan import ROOT
from tests.faults.eventually import eventually
from tests.faults.figures import Say
from tests.faults.running_system import RunningSystem
from tests.faults.steady_traffic import SteadyTraffic
from tests.gateway.raw_upstream import Conversation, RawUpstream, answering
from tests.system.running_stack import Client, free_port

HANGING = 100
ROUTES = """
[upstreams.foreign]
urls = ["{url}"]
identity = false

[upstreams.nobody]
urls = ["http://127.0.0.1:{nobody}"]
identity = false

[[routes]]
prefix = "/foreign/"
upstream = "foreign"
access = "public"
timeout = {{ connect = 1, read = 2, total = 4 }}

[[routes]]
prefix = "/nobody/"
upstream = "nobody"
access = "public"
"""


@pytest.fixture(scope="module")
def foreign() -> Iterator[RawUpstream]:
    """A service that answers by a script."""
    upstream = RawUpstream()
    yield upstream
    upstream.stop()


@pytest.fixture(scope="module")
def client(system: RunningSystem, foreign: RawUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Of a gateway that has a route to it, and one to where nobody listens."""
    routes = tmp_path_factory.mktemp("routes") / "routes.toml"
    shipped = (ROOT / "gateway" / "routes.toml").read_text()
    routes.write_text(shipped + ROUTES.format(url=foreign.url, nobody=free_port()))
    secret = {"IDENTITY_SECRET": (system.data_dir / "notes.secret").read_text()}
    with system.another_gateway("routed", GATEWAY_ROUTES=str(routes), **secret) as (_, url):
        yield Client(url)


async def hang(conversation: Conversation) -> None:
    """Never answers."""
    await conversation.until_gone()


async def reset(conversation: Conversation) -> None:
    """Hangs up where an answer was due."""
    conversation.reset()


async def break_off(conversation: Conversation) -> None:
    """Promises a hundred bytes, gives ten and hangs up in order."""
    await conversation.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789")
    conversation.close()


async def break_off_a_chunked_answer(conversation: Conversation) -> None:
    """Without its last chunk."""
    await conversation.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n")
    await asyncio.sleep(0.1)
    conversation.close()


def test_who_is_refused_gets_502(client: Client) -> None:
    answer = client.send("GET", "/nobody/")
    assert (answer.status_code, answer.json()["code"]) == (502, "upstream_unreachable")


def test_a_reset_instead_of_an_answer_is_502(client: Client, foreign: RawUpstream) -> None:
    foreign.begin(reset)
    answer = client.send("POST", "/foreign/", data=b"x")
    assert (answer.status_code, answer.json()["code"]) == (502, "upstream_failed")


def test_silence_is_504_after_the_routes_time(client: Client, foreign: RawUpstream) -> None:
    foreign.begin(hang)
    began = time.monotonic()
    answer = client.send("GET", "/foreign/")
    assert (answer.status_code, answer.json()["code"]) == (504, "upstream_timeout")
    assert 2 <= time.monotonic() - began < 3


@pytest.mark.parametrize("script", [break_off, break_off_a_chunked_answer])
def test_a_broken_answer_never_looks_whole(client: Client, foreign: RawUpstream, script: object) -> None:
    """The client's connection is cut: its library says so."""
    foreign.begin(break_off if script is break_off else break_off_a_chunked_answer)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        client.send("GET", "/foreign/")


def test_other_routes_are_not_starved_by_a_service_that_hangs(
    system: RunningSystem, client: Client, foreign: RawUpstream, say: Say
) -> None:
    """A hundred requests wait for it in the same gateway; all else is answered as ever."""
    foreign.begin(hang)
    statuses: list[int] = []

    def call() -> None:
        with requests.Session() as session:
            session.trust_env = False
            statuses.append(session.get(f"{client.url}/foreign/", timeout=30).status_code)

    with SteadyTraffic(client.url) as traffic, ThreadPoolExecutor(HANGING) as pool:
        calls = [pool.submit(call) for _ in range(HANGING)]
        eventually(lambda: len(foreign.requests) == HANGING)
        beside = traffic.run_for(1.5)
        assert not any(one.done() for one in calls)
    foreign.begin(answering(b"HTTP/1.1 204 No Content\r\n\r\n"))
    say(f"beside {HANGING} hanging requests: {beside}")
    assert statuses == [504] * HANGING
    assert beside.statuses() == {200}, beside.wrong()
    assert beside.slowest() < 1
    assert threading.active_count() < HANGING
