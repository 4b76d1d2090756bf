"""A service behind a route refuses connections, is slow or breaks off: only its own clients are affected."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import requests

from stack.plan import ROOT
from tests.faults.connection import Answer, Connection
from tests.faults.eventually import eventually
from tests.faults.figures import Say, in_ms, percentile
from tests.faults.part import Part
from tests.faults.running_system import RunningSystem
from tests.faults.steady_traffic import SteadyTraffic, Tally
from tests.gateway.raw_upstream import Conversation, RawUpstream, Script, answering, ok
from tests.ports import free_port
from tests.system.running_stack import Client

HANGING = 100
CROWD = 150
"""Clients of a slow service; each sends its next request at once, or after Retry-After."""
TAKEN = 20
"""Connections that a worker makes to it."""
ROUTES = """
[upstreams.foreign]
urls = ["{url}"]
identity = false

[upstreams.slow]
urls = ["{url}"]
identity = false
max_connections = {taken}

[upstreams.pair]
urls = ["{url}", "{other}"]
identity = false

[upstreams.nobody]
urls = ["http://127.0.0.1:{nobody}"]
identity = false

[upstreams.away]
urls = ["http://127.0.0.1:{away}"]
identity = false

[[routes]]
prefix = "/away/"
upstream = "away"
access = "public"

[[routes]]
prefix = "/foreign/"
upstream = "foreign"
access = "public"
timeout = {{ connect = 1, read = 2, total = 4 }}

[[routes]]
prefix = "/slow/"
upstream = "slow"
access = "public"
timeout = {{ connect = 1, read = 2, total = 4 }}

[[routes]]
prefix = "/pair/"
upstream = "pair"
access = "public"

[[routes]]
prefix = "/nobody/"
upstream = "nobody"
access = "public"
"""


@pytest.fixture(scope="module")
def foreign() -> Iterator[RawUpstream]:
    """A service that responds by a script."""
    upstream = RawUpstream()
    yield upstream
    upstream.stop()


@pytest.fixture(scope="module")
def other() -> Iterator[RawUpstream]:
    """Another address of the same service, until the last test."""
    upstream = RawUpstream()
    yield upstream
    upstream.stop()


@pytest.fixture(scope="module")
def away() -> int:
    """The port of a service that a test starts."""
    return free_port()


@pytest.fixture(scope="module")
def gateway(
    system: RunningSystem,
    foreign: RawUpstream,
    other: RawUpstream,
    away: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Part, str]]:
    """A gateway with routes to them, and one to a port without a listener; and its URL."""
    routes = tmp_path_factory.mktemp("routes") / "routes.toml"
    shipped = (ROOT / "gateway" / "routes.toml").read_text()
    added = ROUTES.format(url=foreign.url, other=other.url, nobody=free_port(), away=away, taken=TAKEN)
    routes.write_text(shipped + added)
    secret = {"IDENTITY_SECRET": (system.data_dir / "notes.secret").read_text()}
    with system.another_gateway("routed", GATEWAY_ROUTES=str(routes), **secret) as (part, url):
        yield part, url


@pytest.fixture
def client(gateway: tuple[Part, str]) -> Client:
    return Client(gateway[1])


async def hang(conversation: Conversation) -> None:
    """Never respond."""
    await conversation.wait_for_close()


async def reset(conversation: Conversation) -> None:
    """Reset the connection instead of a response."""
    conversation.reset()


async def break_off(conversation: Conversation) -> None:
    """Announce a hundred bytes, send ten and close in order."""
    await conversation.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789")
    conversation.close()


async def break_off_a_chunked_answer(conversation: Conversation) -> None:
    """Close without the last chunk."""
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
    """The client's connection is cut, and its library reports that."""
    foreign.begin(break_off if script is break_off else break_off_a_chunked_answer)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        client.send("GET", "/foreign/")


def test_other_routes_are_not_starved_by_a_service_that_hangs(
    system: RunningSystem, client: Client, foreign: RawUpstream, say: Say
) -> None:
    """A hundred requests wait for it in the same gateway; all others are answered as usual."""
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


# --- slow, with very many requests ---------------------------------------------------------------------------------


async def dawdle(conversation: Conversation) -> None:
    """Respond after a second."""
    await asyncio.sleep(1)
    await conversation.write(ok())


async def dribble(conversation: Conversation) -> None:
    """Respond at once, and take two seconds for twenty bytes."""
    await conversation.write(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n")
    for _ in range(20):
        await asyncio.sleep(0.1)
        await conversation.write(b"x")


@contextmanager
def crowd(url: str, path: str) -> Iterator[list[Answer]]:
    """Run many clients that request only this path; return their responses."""
    answers: list[Answer] = []
    stopping = threading.Event()

    async def one() -> None:
        async with Connection(url) as line:
            while not stopping.is_set():
                answers.append(await line.ask("GET", path))
                await asyncio.sleep(float(answers[-1].retry_after or 0))

    async def all_of_them() -> None:
        await asyncio.gather(*(one() for _ in range(CROWD)))

    thread = threading.Thread(target=lambda: asyncio.run(all_of_them()), name="crowd")
    thread.start()
    try:
        yield answers
    finally:
        stopping.set()
        thread.join(30)
        assert not thread.is_alive()


@pytest.mark.parametrize("script", [dawdle, dribble, hang])
def test_other_routes_keep_their_pace_beside_a_slow_service(
    client: Client, foreign: RawUpstream, script: Script, say: Say
) -> None:
    """Its own clients get its share, and a 503 at once beyond the limit of connections."""
    foreign.begin()
    with SteadyTraffic(client.url) as traffic:
        alone = traffic.run_for(3)
        foreign.begin_answering(script)
        with crowd(client.url, "/slow/") as answers:
            beside = traffic.run_for(6)
    foreign.begin()
    refused = [answer for answer in answers if answer.status == 503]
    statuses = Counter(answer.status for answer in answers)
    say(f"alone {in_ms(seconds(alone))}; beside {CROWD} clients of a service that {script.__name__}s")
    say(f"{in_ms(seconds(beside))}; these: {dict(statuses)}, the 503s after {in_ms([r.seconds for r in refused])}")
    assert beside.statuses() == {200}, beside.wrong()
    assert percentile(seconds(beside), 99) < 0.5
    assert statuses.keys() == {504 if script is hang else 200, 503}
    assert all(answer.retry_after for answer in refused)
    assert percentile([answer.seconds for answer in refused], 99) < 1


def seconds(tally: Tally) -> list[float]:
    return [outcome.answer.seconds for outcome in tally.outcomes]


# --- gone for good, and back ---------------------------------------------------------------------------------------


def test_a_service_that_answers_nobody_opens_the_circuit_until_it_is_back(
    gateway: tuple[Part, str], away: int, say: Say
) -> None:
    """By every worker for itself, within seconds of its return; the log shows when."""
    part, url = gateway
    with crowd(url, "/away/") as answers:
        eventually(lambda: len(part.events("upstream_circuit_opened")) >= 2)
        time.sleep(2)
        back = RawUpstream(port=away)
        try:
            began = time.monotonic()
            eventually(lambda: [answer.status for answer in answers[-CROWD:]] == [200] * CROWD)
        finally:
            back.stop()
    took = time.monotonic() - began
    statuses = Counter(answer.status for answer in answers)
    say(f"of {CROWD} clients {dict(statuses)}; all well {took:.1f} s after its return")
    assert statuses.keys() == {200, 502, 503}
    assert all(answer.retry_after for answer in answers if answer.status == 503)
    assert part.events("upstream_circuit_closed")


@contextmanager
def asking(url: str, target: str, a_second: int) -> Iterator[None]:
    """Send requests from one client at this rate, whatever the responses are."""
    over = threading.Event()

    def ask() -> None:
        while not over.wait(1 / a_second):
            requests.get(url + target, timeout=10)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_client_of_a_path_that_breaks_off_keeps_nobody_from_the_others(
    gateway: tuple[Part, str], client: Client, away: int
) -> None:
    """At both workers, also just after the service was down."""
    _, url = gateway

    async def brittle(conversation: Conversation) -> None:
        if " /away/bad " in conversation.request.request_line:
            conversation.reset()
        else:
            await conversation.write(ok())

    with asking(url, "/away/bad", a_second=20):
        eventually(lambda: client.send("GET", "/away/good").status_code == 503)
        service = RawUpstream(port=away)
        try:
            service.begin(brittle)
            eventually(lambda: [client.send("GET", "/away/good").status_code for _ in range(8)] == [200] * 8)
            output = []
            for _ in range(60):
                output.append(client.send("GET", "/away/good").status_code)
                time.sleep(0.05)  # the other client goes on meanwhile
        finally:
            service.stop()
    assert output == [200] * 60


def test_an_address_that_dies_costs_what_it_had_under_way(
    gateway: tuple[Part, str], foreign: RawUpstream, other: RawUpstream, say: Say
) -> None:
    """Other requests go to the other address."""
    part, url = gateway
    foreign.begin()
    other.begin()
    with crowd(url, "/pair/") as answers:
        eventually(lambda: len(foreign.requests) > 100 and len(other.requests) > 100)
        other.stop()
        time.sleep(2)
    statuses = Counter(answer.status for answer in answers)
    say(f"{dict(statuses)}")
    assert statuses.keys() <= {200, 502}
    assert statuses[502] <= CROWD
    assert part.events("upstream_ejected")
