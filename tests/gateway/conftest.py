"""A signing key, a real valkey-server, raw upstreams, and a gateway in front of them on loopback ports."""

import logging
import time
from collections.abc import Callable, Iterator

import pytest
from structlog.testing import capture_logs

from chassis.clock import Clock
from chassis.redis_clients import redis_client
from chassis.settings import load
from gateway.app import create_app
from gateway.settings import GatewaySettings
from gateway.upstreams.resolver import Resolve, resolve_by_system
from gateway.worker_application import Gateway
from tests.clocks import MovableClock
from tests.gateway.access_tokens import IDENTITY_SECRET, PEER_SECRET, SigningKey, access_claims, jwks
from tests.gateway.raw_upstream import Conversation, RawUpstream, Script, ok
from tests.gateway.routes_toml import AUTH_UPSTREAM, NOTES_UPSTREAM, route_table, routes_toml, upstream_table
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.stand_ins.valkey import valkey_server
from tests.redis_topologies import CHOSEN, chosen_redis

MakeApp = Callable[..., Gateway]

# A route for each option that several modules test. `break_after=0` turns an upstream's circuit breaker off.
ROUTES = routes_toml(
    AUTH_UPSTREAM,
    NOTES_UPSTREAM,
    upstream_table("foreign", identity=False),
    upstream_table("one-connection", max_connections=1, break_after=0),
    upstream_table("observed", max_connections=1, break_after=0),
    upstream_table("connection-refused", "http://127.0.0.1:1", break_after=0),
    upstream_table("missing-socket", "unix:/nonexistent/service.sock", break_after=0),
    route_table("/auth/", "public", upstream="auth"),
    route_table("/api/", max_body="1GiB"),
    route_table("/staff/", ["staff"]),
    route_table("/readonly/", "public", methods=["GET"]),
    route_table("/public/", "public", max_body="1GiB"),
    route_table("/foreign/", upstream="foreign"),
    route_table("/small-body/", "public", max_body=10),
    route_table("/short-read-timeout/", "public", max_body="64MiB", timeout={"connect": 1, "read": 0.3, "total": 10}),
    route_table("/short-total-timeout/", "public", timeout={"connect": 1, "read": 10, "total": 0.4}),
    route_table("/streams/", streams=True, timeout={"connect": 1, "read": 10, "total": 0.4}),
    route_table("/conversation/", "public", streams=True, max_body=100),
    route_table("/ws/", websocket=True),
    route_table("/open-ws/", "public", websocket=True),
    route_table("/one-connection/", "public", upstream="one-connection"),
    route_table("/observed/", "public", upstream="observed"),
    route_table("/connection-refused/", "public", upstream="connection-refused"),
    route_table("/missing-socket/", "public", upstream="missing-socket"),
    route_table("/stripped/deep/", strip_prefix=True),
    route_table("/replaced/deep/", replace_prefix="/other/place/"),
    route_table(
        "/fixed/",
        "public",
        request_headers={"X-Tenant": "acme", "X-Secret": "${NOTES_SECRET}"},
        response_headers={"Cache-Control": "no-store", "X-Frame-Options": "DENY"},
    ),
    route_table("/cookies/", "public", keep_cookies=True),
    route_table("/by-method/", "public", methods=["GET"]),
    route_table("/by-method", methods=["POST", "PATCH"]),
)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture(scope="session")
def signing_key() -> SigningKey:
    return SigningKey()


@pytest.fixture(scope="session")
def token(signing_key: SigningKey) -> str:
    """A valid access token."""
    return signing_key.sign(access_claims(time.time(), exp=int(time.time()) + 3_000))


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of a valkey-server that all tests share. SALLYPORT_TEST_REDIS chooses another Redis."""
    if CHOSEN:
        with chosen_redis() as url:
            yield url
        return
    with valkey_server() as server:
        yield server.url


@pytest.fixture
def empty_redis(redis_url: str) -> str:
    """The URL of a Redis without data."""
    with redis_client(redis_url) as redis:
        redis.flushall()
    return redis_url


@pytest.fixture(scope="session")
def auth_answers(signing_key: SigningKey) -> Script:
    """Return the script of the auth service: the JWKS, 204 to usage reports, and two cookies to anything else."""

    async def script(conversation: Conversation) -> None:
        await conversation.read_body()
        if conversation.request.request_line == "GET /.well-known/jwks.json HTTP/1.1":
            await conversation.write(ok(jwks(signing_key)))
        elif conversation.request.request_line == "POST /internal/seen HTTP/1.1":
            await conversation.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        else:
            await conversation.write(ok(b"auth", "Set-Cookie: a=1", "Set-Cookie: b=2"))

    return script


@pytest.fixture(scope="session")
def shared_auth_upstream(auth_answers: Script) -> Iterator[RawUpstream]:
    upstream = RawUpstream()
    upstream.begin(auth_answers)
    yield upstream
    upstream.stop()


@pytest.fixture
def auth_upstream(shared_auth_upstream: RawUpstream, auth_answers: Script) -> Iterator[RawUpstream]:
    """The auth service, without recorded requests. A script that a test sets ends with the test."""
    shared_auth_upstream.begin(auth_answers)
    yield shared_auth_upstream
    shared_auth_upstream.begin_answering(auth_answers)


@pytest.fixture(scope="session")
def shared_upstream() -> Iterator[RawUpstream]:
    upstream = RawUpstream()
    yield upstream
    upstream.stop()


@pytest.fixture
def upstream(shared_upstream: RawUpstream) -> RawUpstream:
    """A resource service that answers 200 "ok" unless a test sets another script; without recorded requests."""
    shared_upstream.begin()
    return shared_upstream


@pytest.fixture(scope="session")
def make_app(
    shared_auth_upstream: RawUpstream,
    shared_upstream: RawUpstream,
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> MakeApp:
    """`make_app(clock, NAME=value, ...)` returns a gateway over the shared upstreams, with these settings changed."""
    folder = tmp_path_factory.mktemp("gateway")
    (folder / "routes.toml").write_text(ROUTES)
    environ = {
        "AUTH_URL": shared_auth_upstream.url,
        "RESOURCE_URL": shared_upstream.url,
        "NOTES_SECRET": IDENTITY_SECRET,
        "PEER_SECRET": PEER_SECRET,
        "REDIS_URL": redis_url,
        "GATEWAY_ROUTES": str(folder / "routes.toml"),
        "DATA_DIR": str(folder),
        "ACCESS_LOG": "false",
    }

    def make(
        clock: Clock = time.time,
        monotonic: Clock = time.monotonic,
        resolve: Resolve = resolve_by_system,
        **changed: str,
    ) -> Gateway:
        variables = environ | changed
        settings = load(GatewaySettings, variables)
        return create_app(settings, environ=variables, clock=clock, monotonic=monotonic, resolve=resolve)

    return make


@pytest.fixture(scope="session")
def shared_gateway(make_app: MakeApp) -> Iterator[RunningGateway]:
    with running(make_app()) as gateway:
        yield gateway


@pytest.fixture
def gateway(
    shared_gateway: RunningGateway, upstream: RawUpstream, caplog: pytest.LogCaptureFixture
) -> Iterator[RunningGateway]:
    """The gateway that tests share, before `upstream`. An error in its log fails the test that caused it."""
    with capture_logs() as lines:
        yield shared_gateway
    assert [line for line in lines if line["log_level"] in ("error", "critical")] == []
    assert [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR] == []
