"""Upstreams that are DNS names: every address gets requests, and no request is lost when the addresses change."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.upstreams import health_checks
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_upstream import WAIT, Conversation, RawUpstream, Script, answering, ok
from tests.gateway.routing.test_upstream_tls import serving
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.single_requests import request_once
from tests.gateway.stand_ins.certificates import Authority
from tests.gateway.upstreams.named_upstreams import HOST, FakeResolver, gateway_for


@pytest.fixture
def resolver() -> FakeResolver:
    return FakeResolver({HOST: ["127.0.0.2", "127.0.0.3"]})


@pytest.fixture
def services() -> Iterator[tuple[RawUpstream, RawUpstream]]:
    """Two services at one port of two addresses; each responds with its address."""
    with ExitStack() as stack:
        first = RawUpstream(host="127.0.0.2")
        stack.callback(first.stop)
        second = RawUpstream(host="127.0.0.3", port=first.port)
        stack.callback(second.stop)
        first.begin(answering(ok(b"127.0.0.2")))
        second.begin(answering(ok(b"127.0.0.3")))
        yield first, second


def responders(gateway: RunningGateway, times: int = 8) -> set[bytes]:
    """Return the bodies of the responses to consecutive requests on one connection; all must be 200."""
    with gateway.connect() as client:
        responses = [client.request("GET / HTTP/1.1", "Host: h") for _ in range(times)]
    assert {response.status for response in responses} == {200}
    return {response.body for response in responses}


def wait_for_responders(gateway: RunningGateway, expected: set[bytes]) -> None:
    """Send requests, none of which may fail, until exactly the expected services respond."""
    deadline = time.monotonic() + WAIT
    while responders(gateway) != expected:
        assert time.monotonic() < deadline


# --- members -------------------------------------------------------------------------------------------------------


def test_every_address_of_a_name_gets_requests(
    make_app: MakeApp, resolver: FakeResolver, services: tuple[RawUpstream, RawUpstream], tmp_path: Path
) -> None:
    with gateway_for(make_app, resolver, tmp_path, services[0].port) as gateway:
        assert responders(gateway) == {b"127.0.0.2", b"127.0.0.3"}
        assert services[0].last.get("host") == "h"


def test_a_changed_name_moves_requests_to_its_new_addresses(
    make_app: MakeApp, resolver: FakeResolver, services: tuple[RawUpstream, RawUpstream], tmp_path: Path
) -> None:
    """A request in progress at a removed address is answered."""
    resolver.addresses[HOST] = ["127.0.0.2"]

    async def slow(conversation: Conversation) -> None:
        if " /slow " in conversation.request.request_line:
            while not services[1].requests:  # noqa: ASYNC110 - the other service runs in another thread
                await asyncio.sleep(0.01)
        await conversation.write(ok(b"127.0.0.2"))

    services[0].begin(slow)
    with gateway_for(make_app, resolver, tmp_path, services[0].port) as gateway, gateway.connect() as in_progress:
        assert responders(gateway) == {b"127.0.0.2"}
        in_progress.send(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
        assert gateway.wait_for_clients(1)
        resolver.addresses[HOST] = ["127.0.0.3"]
        wait_for_responders(gateway, {b"127.0.0.3"})
        assert in_progress.read_response().body == b"127.0.0.2"
        assert services[0].wait_for_open_connections(0)
        resolver.addresses[HOST] = ["127.0.0.2", "127.0.0.3"]
        wait_for_responders(gateway, {b"127.0.0.2", b"127.0.0.3"})


def test_a_name_that_cannot_be_resolved_keeps_its_last_addresses(
    make_app: MakeApp, resolver: FakeResolver, services: tuple[RawUpstream, RawUpstream], tmp_path: Path
) -> None:
    with capture_logs() as lines, gateway_for(make_app, resolver, tmp_path, services[0].port) as gateway:
        assert responders(gateway) == {b"127.0.0.2", b"127.0.0.3"}
        for is_empty in (False, True):
            before, known = resolver.lookups, resolver.addresses.pop(HOST)
            if is_empty:
                resolver.addresses[HOST] = []
            deadline = time.monotonic() + WAIT
            while resolver.lookups < before + 3 and time.monotonic() < deadline:
                assert responders(gateway) == {b"127.0.0.2", b"127.0.0.3"}
            resolver.addresses[HOST] = known
            before = resolver.lookups
            while resolver.lookups < before + 2 and time.monotonic() < deadline:
                time.sleep(0.01)  # the gateway resolves ten times a second, in another thread
    events = [line["event"] for line in lines if line["event"].startswith("upstream_name")]
    assert events == ["upstream_name_unresolved", "upstream_name_resolved"] * 2


def test_a_name_that_cannot_be_resolved_at_the_start_is_resolved_later(
    make_app: MakeApp, resolver: FakeResolver, services: tuple[RawUpstream, RawUpstream], tmp_path: Path
) -> None:
    known = resolver.addresses.pop(HOST)
    with gateway_for(make_app, resolver, tmp_path, services[0].port) as gateway:
        assert [request_once(gateway, "/").status for _ in range(6)] == [502] * 5 + [503]
        resolver.addresses[HOST] = known
        deadline = time.monotonic() + WAIT
        while request_once(gateway, "/").status != 200:
            assert time.monotonic() < deadline
        assert responders(gateway) == {b"127.0.0.2", b"127.0.0.3"}


def test_health_checks_follow_the_members(
    make_app: MakeApp,
    resolver: FakeResolver,
    services: tuple[RawUpstream, RawUpstream],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health_checks, "MEMBERS_INTERVAL", 0.05)
    resolver.addresses[HOST] = ["127.0.0.2"]
    more = 'health = { path = "/healthz", interval = 0.1 }'
    with gateway_for(make_app, resolver, tmp_path, services[0].port, more):
        for old, new, address in ((services[1], services[0], "127.0.0.2"), (services[0], services[1], "127.0.0.3")):
            resolver.addresses[HOST] = [address]
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
def full_listener(host: str) -> Iterator[int]:
    """Yield the port of a listener whose queue is full, so that it drops handshakes silently."""
    with socket.create_server((host, 0), backlog=0) as full:
        address = full.getsockname()
        queued = [socket.socket() for _ in range(3)]
        for connection in queued:
            connection.setblocking(False)
            connection.connect_ex(address)
        yield address[1]
        for connection in queued:
            connection.close()


def test_a_silent_address_does_not_use_up_the_connect_timeout(
    make_app: MakeApp, resolver: FakeResolver, tmp_path: Path
) -> None:
    """RFC 8305: after 250 ms the next address is tried as well."""
    with full_listener("127.0.0.2") as port, ExitStack() as stack:
        working = RawUpstream(host="127.0.0.3", port=port)
        stack.callback(working.stop)
        with gateway_for(make_app, resolver, tmp_path, port, "max_connection_requests = 1") as gateway:
            started = time.monotonic()
            assert [request_once(gateway, "/").status for _ in range(4)] == [200] * 4
            assert time.monotonic() - started < 4 * 0.9, "each request waited less than its connect timeout of 1 s"


# --- TLS, and the auth service -------------------------------------------------------------------------------------


def test_a_certificate_is_verified_for_the_name_and_not_the_address(
    make_app: MakeApp, resolver: FakeResolver, tmp_path: Path
) -> None:
    authority = Authority(tmp_path, "authority")
    server_names: list[str | None] = []
    context = serving(authority.issue("service", HOST))
    context.sni_callback = lambda _, name, __: server_names.append(name)
    service = RawUpstream(context, host="127.0.0.2")
    impostor = RawUpstream(serving(authority.issue("other", "other.internal")), host="127.0.0.3", port=service.port)
    more = f'ca_file = "{authority.file}"\nmax_connection_requests = 1'
    try:
        with gateway_for(make_app, resolver, tmp_path, service.port, more, "https") as gateway:
            assert [request_once(gateway, "/").status for _ in range(6)] == [200] * 6
        assert set(server_names) == {HOST}
        assert impostor.requests == []
    finally:
        service.stop()
        impostor.stop()


def test_the_auth_service_may_be_a_name(make_app: MakeApp, auth_answers: Script, tmp_path: Path) -> None:
    """The gateway's own calls use it as well: a gateway is ready once it has the signing keys."""
    auth = RawUpstream(host="127.0.0.4")
    auth.begin(auth_answers)
    (tmp_path / "routes.toml").write_text("")
    resolver = FakeResolver({"auth.internal": ["127.0.0.5", "127.0.0.4"]})  # nothing listens at the first
    try:
        url = f"http://auth.internal:{auth.port}"
        app = make_app(resolve=resolver, AUTH_URL=url, GATEWAY_ROUTES=str(tmp_path / "routes.toml"))
        with running(app) as gateway:
            assert request_once(gateway, "/readyz").status == 200
        assert auth.requests[0].request_line == "GET /.well-known/jwks.json HTTP/1.1"
        assert auth.requests[0].get("host") == f"auth.internal:{auth.port}"
    finally:
        auth.stop()
