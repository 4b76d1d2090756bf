"""A signing key, a real valkey-server, raw upstreams, and a gateway over them all on loopback ports."""

import logging
import time
from collections.abc import Callable, Iterator

import pytest
from structlog.testing import capture_logs

from chassis.clock import Clock
from chassis.settings import load
from gateway.app import Gateway, create_app
from gateway.settings import GatewaySettings
from gateway.upstreams.resolver import Resolve, resolve_by_system
from tests.clocks import MovableClock
from tests.gateway.access_tokens import IDENTITY_SECRET, PEER_SECRET, SigningKey, access_claims, jwks
from tests.gateway.raw_upstream import Conversation, RawUpstream, Script, ok
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.valkey import valkey_server

MakeApp = Callable[..., Gateway]

ROUTES = """
[upstreams.auth]
urls = ["${AUTH_URL}"]

[upstreams.notes]
urls = ["${RESOURCE_URL}"]
identity_secret_env = "NOTES_SECRET"
break_after = 0  # tests break it over and over

[upstreams.foreign]
urls = ["${RESOURCE_URL}"]
identity = false

[upstreams.narrow]
urls = ["${RESOURCE_URL}"]
max_connections = 1
break_after = 0

[upstreams.observed]
urls = ["${RESOURCE_URL}"]
max_connections = 1
break_after = 0

[upstreams.gone]
urls = ["http://127.0.0.1:1"]
break_after = 0

[upstreams.nowhere]
urls = ["unix:/nonexistent/service.sock"]
break_after = 0

[[routes]]
prefix = "/auth/"
upstream = "auth"
access = "public"

[[routes]]
prefix = "/api/"
upstream = "notes"
access = "authenticated"
max_body = "1GiB"

[[routes]]
prefix = "/staff/"
upstream = "notes"
access = ["staff"]

[[routes]]
prefix = "/readonly/"
upstream = "notes"
access = "public"
methods = ["GET"]

[[routes]]
prefix = "/public/"
upstream = "notes"
access = "public"
max_body = "1GiB"

[[routes]]
prefix = "/foreign/"
upstream = "foreign"
access = "authenticated"

[[routes]]
prefix = "/small/"
upstream = "notes"
access = "public"
max_body = 10

[[routes]]
prefix = "/impatient/"
upstream = "notes"
access = "public"
max_body = "64MiB"
timeout = { connect = 1, read = 0.3, total = 10 }

[[routes]]
prefix = "/brief/"
upstream = "notes"
access = "public"
timeout = { connect = 1, read = 10, total = 0.4 }

[[routes]]
prefix = "/streams/"
upstream = "notes"
access = "authenticated"
streams = true
timeout = { connect = 1, read = 10, total = 0.4 }

[[routes]]
prefix = "/conversation/"
upstream = "notes"
access = "public"
streams = true
max_body = 100

[[routes]]
prefix = "/ws/"
upstream = "notes"
access = "authenticated"
websocket = true

[[routes]]
prefix = "/open-ws/"
upstream = "notes"
access = "public"
websocket = true

[[routes]]
prefix = "/narrow/"
upstream = "narrow"
access = "public"

[[routes]]
prefix = "/observed/"
upstream = "observed"
access = "public"

[[routes]]
prefix = "/gone/"
upstream = "gone"
access = "public"

[[routes]]
prefix = "/nowhere/"
upstream = "nowhere"
access = "public"

[[routes]]
prefix = "/stripped/deep/"
upstream = "notes"
access = "authenticated"
strip_prefix = true

[[routes]]
prefix = "/fixed/"
upstream = "notes"
access = "public"
request_headers = { "X-Tenant" = "acme", "X-Secret" = "${NOTES_SECRET}" }
response_headers = { "Cache-Control" = "no-store", "X-Frame-Options" = "DENY" }

[[routes]]
prefix = "/cookies/"
upstream = "notes"
access = "public"
keep_cookies = true

[[routes]]
prefix = "/by-method/"
upstream = "notes"
access = "public"
methods = ["GET"]

[[routes]]
prefix = "/by-method"
upstream = "notes"
access = "authenticated"
methods = ["POST", "PATCH"]
"""


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture(scope="session")
def signing_key() -> SigningKey:
    return SigningKey()


@pytest.fixture(scope="session")
def token(signing_key: SigningKey) -> str:
    """A good access token."""
    return signing_key.sign(access_claims(time.time(), exp=int(time.time()) + 3_000))


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A valkey-server of our own."""
    with valkey_server() as server:
        yield server.url


@pytest.fixture(scope="session")
def auth_answers(signing_key: SigningKey) -> Script:
    """What the auth service says: its keys, thanks for a report, and for the rest what it was sent."""

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
    """The auth service's place, with nothing recorded yet. What a test has it answer ends with the test."""
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
    """A resource service's place: it answers 200 "ok" until it is told otherwise."""
    shared_upstream.begin()
    return shared_upstream


@pytest.fixture(scope="session")
def make_app(
    shared_auth_upstream: RawUpstream,
    shared_upstream: RawUpstream,
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> MakeApp:
    """`make_app(clock, NAME=value, ...)`: a gateway over the shared upstreams, or over what these variables say."""
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
        told = environ | changed
        settings = load(GatewaySettings, told)
        return create_app(settings, environ=told, clock=clock, monotonic=monotonic, resolve=resolve)

    return make


@pytest.fixture(scope="session")
def shared_gateway(make_app: MakeApp) -> Iterator[RunningGateway]:
    with running(make_app()) as gateway:
        yield gateway


@pytest.fixture
def gateway(shared_gateway: RunningGateway, caplog: pytest.LogCaptureFixture) -> Iterator[RunningGateway]:
    """One gateway for every test that does not ask for one of its own. Whatever clients and upstreams do to it, it
    logs no error: an exception that nobody expected fails the test that caused it."""
    with capture_logs() as lines:
        yield shared_gateway
    assert [line for line in lines if line["log_level"] in ("error", "critical")] == []
    assert [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR] == []
