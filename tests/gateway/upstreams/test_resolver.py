"""Upstreams by name: every address is used, a changed one is followed, and no request is lost over it."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from gateway.routing.routes import Address, Upstream
from gateway.upstream_connections.connection_pool import ConnectionPool
from gateway.upstreams import health_checks, resolver
from gateway.upstreams.balancer import Balancer
from gateway.upstreams.events import UpstreamEvents
from gateway.upstreams.metrics import UpstreamMetrics
from gateway.upstreams.resolver import NameResolver, resolve_by_system
from tests.gateway.certificates import Authority
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_upstream import WAIT, Conversation, RawUpstream, Script, answering, ok
from tests.gateway.routing.test_upstream_tls import serving
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.single_requests import request_once
from tests.gateway.upstream_connections.pools import exchange

HOST = "service.internal"
ROUTES = """
[upstreams.service]
urls = ["{scheme}://service.internal:{port}"]
resolve_interval = 0.1
{more}

[[routes]]
prefix = "/"
upstream = "service"
access = "public"
timeout = {{ connect = 1 }}
"""


@dataclass(slots=True)
class Names:
    """A name server: what each name has at the moment; one that it has not is not found."""

    addresses: dict[str, list[str]] = field(default_factory=dict)
    lookups: int = 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.lookups += 1
        if host not in self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self.addresses[host]


@pytest.fixture
def names() -> Names:
    return Names({HOST: ["127.0.0.2", "127.0.0.3"]})


@pytest.fixture
def two() -> Iterator[tuple[RawUpstream, RawUpstream]]:
    """Two services at one port of two addresses, which answer with their own."""
    with ExitStack() as stack:
        first = RawUpstream(host="127.0.0.2")
        stack.callback(first.stop)
        second = RawUpstream(host="127.0.0.3", port=first.port)
        stack.callback(second.stop)
        first.begin(answering(ok(b"127.0.0.2")))
        second.begin(answering(ok(b"127.0.0.3")))
        yield first, second


@contextmanager
def gateway_for(
    make_app: MakeApp, names: Names, folder: Path, port: int, more: str = "", scheme: str = "http"
) -> Iterator[RunningGateway]:
    (folder / "routes.toml").write_text(ROUTES.format(port=port, more=more, scheme=scheme))
    with running(make_app(resolve=names, GATEWAY_ROUTES=str(folder / "routes.toml"))) as gateway:
        yield gateway


def answerers(gateway: RunningGateway, times: int = 8) -> set[bytes]:
    """Who answers, of so many requests one after the other over one connection."""
    with gateway.connect() as client:
        answers = [client.ask("GET / HTTP/1.1", "Host: h") for _ in range(times)]
    assert {answer.status for answer in answers} == {200}
    return {answer.body for answer in answers}


def soon(gateway: RunningGateway, expected: set[bytes]) -> None:
    """Whether these answer before long, without a request that fails before they do."""
    deadline = time.monotonic() + WAIT
    while answerers(gateway) != expected:
        assert time.monotonic() < deadline


# --- members -------------------------------------------------------------------------------------------------------


def test_every_address_of_a_name_is_used(
    make_app: MakeApp, names: Names, two: tuple[RawUpstream, RawUpstream], tmp_path: Path
) -> None:
    with gateway_for(make_app, names, tmp_path, two[0].port) as gateway:
        assert answerers(gateway) == {b"127.0.0.2", b"127.0.0.3"}
        assert two[0].last.get("host") == "h"


def test_a_changed_name_is_followed_while_connections_are_busy(
    make_app: MakeApp, names: Names, two: tuple[RawUpstream, RawUpstream], tmp_path: Path
) -> None:
    """And what is under way at an address that has gone is answered."""
    names.addresses[HOST] = ["127.0.0.2"]

    async def slow(conversation: Conversation) -> None:
        if " /slow " in conversation.request.request_line:
            while not two[1].requests:  # noqa: ASYNC110 - the other service runs in a thread of its own
                await asyncio.sleep(0.01)
        await conversation.write(ok(b"127.0.0.2"))

    two[0].begin(slow)
    with gateway_for(make_app, names, tmp_path, two[0].port) as gateway, gateway.connect() as under_way:
        assert answerers(gateway) == {b"127.0.0.2"}
        under_way.send(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
        assert gateway.has_met(1)
        names.addresses[HOST] = ["127.0.0.3"]
        soon(gateway, {b"127.0.0.3"})
        assert under_way.answer().body == b"127.0.0.2"
        assert two[0].settles_at(0)
        names.addresses[HOST] = ["127.0.0.2", "127.0.0.3"]
        soon(gateway, {b"127.0.0.2", b"127.0.0.3"})


def test_while_names_cannot_be_resolved_the_last_addresses_stay(
    make_app: MakeApp, names: Names, two: tuple[RawUpstream, RawUpstream], tmp_path: Path
) -> None:
    with capture_logs() as lines, gateway_for(make_app, names, tmp_path, two[0].port) as gateway:
        assert answerers(gateway) == {b"127.0.0.2", b"127.0.0.3"}
        for is_empty in (False, True):
            before, known = names.lookups, names.addresses.pop(HOST)
            if is_empty:
                names.addresses[HOST] = []
            deadline = time.monotonic() + WAIT
            while names.lookups < before + 3 and time.monotonic() < deadline:
                assert answerers(gateway) == {b"127.0.0.2", b"127.0.0.3"}
            names.addresses[HOST] = known
            before = names.lookups
            while names.lookups < before + 2 and time.monotonic() < deadline:
                time.sleep(0.01)  # the resolver of the gateway, in another thread, looks ten times a second
    said = [line["event"] for line in lines if line["event"].startswith("upstream_name")]
    assert said == ["upstream_name_unresolved", "upstream_name_resolved"] * 2


def test_a_name_that_is_not_there_at_the_start_is_found_later(
    make_app: MakeApp, names: Names, two: tuple[RawUpstream, RawUpstream], tmp_path: Path
) -> None:
    known = names.addresses.pop(HOST)
    with gateway_for(make_app, names, tmp_path, two[0].port) as gateway:
        assert [request_once(gateway, "/").status for _ in range(6)] == [502] * 5 + [503]
        names.addresses[HOST] = known
        deadline = time.monotonic() + WAIT
        while request_once(gateway, "/").status != 200:
            assert time.monotonic() < deadline
        assert answerers(gateway) == {b"127.0.0.2", b"127.0.0.3"}


def test_new_members_are_checked_and_old_ones_are_not(
    make_app: MakeApp,
    names: Names,
    two: tuple[RawUpstream, RawUpstream],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health_checks, "_MEMBERS_INTERVAL", 0.05)
    names.addresses[HOST] = ["127.0.0.2"]
    more = 'health = { path = "/healthz", interval = 0.1 }'
    with gateway_for(make_app, names, tmp_path, two[0].port, more):
        for old, new, address in ((two[1], two[0], "127.0.0.2"), (two[0], two[1], "127.0.0.3")):
            names.addresses[HOST] = [address]
            deadline = time.monotonic() + WAIT
            new.requests.clear()
            while len(new.requests) < 2:
                assert time.monotonic() < deadline
                time.sleep(0.01)  # checks go over real sockets in another thread
            old.requests.clear()
            new.requests.clear()
            while len(new.requests) < 3:
                assert time.monotonic() < deadline
                time.sleep(0.01)  # as above
            assert old.requests == []


# --- connecting ----------------------------------------------------------------------------------------------------


@contextmanager
def silent_at(host: str) -> Iterator[int]:
    """The port of a listener whose queue is full: it lets nobody in, and says nothing."""
    with socket.create_server((host, 0), backlog=0) as full:
        address = full.getsockname()
        queued = [socket.socket() for _ in range(3)]
        for connection in queued:
            connection.setblocking(False)
            connection.connect_ex(address)
        yield address[1]
        for connection in queued:
            connection.close()


def test_an_address_that_is_silent_costs_a_quarter_of_a_second_and_no_request(
    make_app: MakeApp, names: Names, tmp_path: Path
) -> None:
    """RFC 8305: the next one is tried beside it, within the route's time to connect."""
    with silent_at("127.0.0.2") as port, ExitStack() as stack:
        well = RawUpstream(host="127.0.0.3", port=port)
        stack.callback(well.stop)
        with gateway_for(make_app, names, tmp_path, port, "max_connection_requests = 1") as gateway:
            began = time.monotonic()
            assert [request_once(gateway, "/").status for _ in range(4)] == [200] * 4
            assert time.monotonic() - began < 4 * 0.9


# --- the age of connections ----------------------------------------------------------------------------------------


def run(upstream: RawUpstream, test: Callable[[ConnectionPool], Awaitable[None]], **bounds: float) -> None:
    async def whole() -> None:
        pool = ConnectionPool(Address("h", "127.0.0.1", upstream.port), 9, **bounds)  # type: ignore[arg-type]
        await test(pool)
        pool.close()
        await asyncio.sleep(0)

    asyncio.run(whole())


def test_a_connection_carries_so_many_requests(upstream: RawUpstream) -> None:
    async def test(pool: ConnectionPool) -> None:
        for _ in range(7):
            now = asyncio.get_running_loop().time()
            await exchange(pool, pool.take_idle(now, WAIT) or await pool.connect(1))

    before = upstream.connections
    run(upstream, test, max_requests=3)
    assert upstream.connections - before == 3


def test_a_connection_that_is_too_old_carries_no_other_request(upstream: RawUpstream) -> None:
    """Neither a busy one, which is looked at when its exchange ends, nor an idle one, which the sweep closes."""

    async def test(pool: ConnectionPool) -> None:
        now = asyncio.get_running_loop().time()
        busy, idle = await pool.connect(1), await pool.connect(1)
        assert now + 80 < busy.retires_at < now + 120
        busy.retires_at = now
        await exchange(pool, busy)
        assert not busy.is_open
        await exchange(pool, idle)
        assert idle.is_open
        idle.retires_at = now + 0.01
        pool.sweep(now + 0.02)
        assert idle.is_open  # it idles within the sweep's first look
        pool.sweep(now + 61)
        assert not idle.is_open

    run(upstream, test, max_age=100)


# --- over TLS, and the auth service --------------------------------------------------------------------------------


def test_a_name_is_verified_whatever_its_address(make_app: MakeApp, names: Names, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ours")
    asked: list[str | None] = []
    context = serving(authority.issue("service", HOST))
    context.sni_callback = lambda _, name, __: asked.append(name)
    service = RawUpstream(context, host="127.0.0.2")
    impostor = RawUpstream(serving(authority.issue("other", "other.internal")), host="127.0.0.3", port=service.port)
    more = f'ca_file = "{authority.file}"\nmax_connection_requests = 1'
    try:
        with gateway_for(make_app, names, tmp_path, service.port, more, "https") as gateway:
            assert [request_once(gateway, "/").status for _ in range(6)] == [200] * 6
        assert set(asked) == {HOST}
        assert impostor.requests == []
    finally:
        service.stop()
        impostor.stop()


def test_the_auth_service_is_found_by_its_name_and_followed(
    make_app: MakeApp, auth_answers: Script, tmp_path: Path
) -> None:
    """Also for the gateway's own calls: one that is ready has the keys, and has them from there."""
    auth = RawUpstream(host="127.0.0.4")
    auth.begin(auth_answers)
    (tmp_path / "routes.toml").write_text("")
    names = Names({"auth.internal": ["127.0.0.5", "127.0.0.4"]})  # nobody listens at the first
    try:
        url = f"http://auth.internal:{auth.port}"
        app = make_app(resolve=names, AUTH_URL=url, GATEWAY_ROUTES=str(tmp_path / "routes.toml"))
        with running(app) as gateway:
            assert request_once(gateway, "/readyz").status == 200
        assert auth.requests[0].request_line == "GET /.well-known/jwks.json HTTP/1.1"
        assert auth.requests[0].get("host") == f"auth.internal:{auth.port}"
    finally:
        auth.stop()


# --- lookups -------------------------------------------------------------------------------------------------------


def balancer_of(*addresses: Address) -> Balancer:
    upstream = Upstream("service", addresses, "", None, 9)
    report = UpstreamEvents(upstream, UpstreamMetrics(CollectorRegistry()), time.monotonic)
    return Balancer(upstream, report, time.monotonic)


def members(balancer: Balancer) -> list[str]:
    return [pool.address.name for pool in balancer.pools]


def test_a_slow_lookup_is_waited_for_and_not_doubled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes a thread of a few."""
    monkeypatch.setattr(resolver, "LOOKUP_TIMEOUT", 0.01)
    lookups = 0

    async def test() -> None:
        answered = asyncio.Event()

        async def slow(host: str, port: int) -> list[str]:
            nonlocal lookups
            lookups += 1
            await answered.wait()
            return ["192.0.2.1"]

        balancer = balancer_of(Address("a.internal:80", "a.internal", 80), Address("192.0.2.9:80", "192.0.2.9", 80))
        names = NameResolver(balancer, slow, 10)
        for _ in range(5):
            await names.resolve_once()
        assert members(balancer) == ["a.internal:80", "192.0.2.9:80"]
        answered.set()
        await names.resolve_once()
        assert members(balancer) == ["a.internal:80 (192.0.2.1)", "192.0.2.9:80"]

    asyncio.run(test())
    assert lookups == 1


def test_both_families_become_members_in_one_order() -> None:
    async def test() -> None:
        balancer = balancer_of(Address("a.internal:80", "a.internal", 80))
        names = Names({"a.internal": ["2001:db8::1", "192.0.2.2", "192.0.2.1", "192.0.2.2"]})
        found = NameResolver(balancer, names, 10)
        await found.resolve_once()
        before = balancer.pools
        assert [pool.address.ip for pool in before] == ["192.0.2.1", "192.0.2.2", "2001:db8::1"]
        names.addresses["a.internal"].reverse()
        await found.resolve_once()
        assert balancer.pools == before

    asyncio.run(test())


def test_what_an_address_has_earned_stays_when_others_come_and_go() -> None:
    """And one that goes while the rest is left out leaves somebody to ask."""
    a, b, c = (Address(name, "127.0.0.1", 1) for name in "abc")
    balancer = balancer_of(a, b)
    for _ in range(3):
        balancer.record_no_response(balancer.pools[0], "timeout", time.monotonic())
    balancer.set_members([a, b, c])
    assert {balancer.choose().address for _ in range(9)} == {b, c}
    gone = balancer.pools[1]
    balancer.set_members([a])
    assert balancer.choose().address == a
    balancer.record_no_response(gone, "timeout", time.monotonic())  # what was under way there changes nothing
    balancer.record_broken_response(gone, "broken", time.monotonic())
    balancer.set_health(gone, healthy=False, reason="late")
    assert members(balancer) == ["a"]


def test_the_system_resolves_a_name_off_the_loop() -> None:
    assert "127.0.0.1" in asyncio.run(resolve_by_system("localhost", 80))
