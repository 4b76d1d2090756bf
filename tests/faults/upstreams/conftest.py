"""A gateway with routes to services that follow a test's script, refuse connections, or are down."""

from collections.abc import Iterator

import pytest

from tests.faults.support.managed_process import ManagedProcess
from tests.faults.support.running_system import RunningSystem
from tests.gateway.raw_upstream import RawUpstream
from tests.ports import free_port
from tests.system.support.running_stack import Client

ROUTES = """
[upstreams.scripted]
urls = ["{url}"]
identity = false

[upstreams.slow]
urls = ["{url}"]
identity = false
max_connections = 20

[upstreams.pair]
urls = ["{url}", "{second_url}"]
identity = false

[upstreams.refusing]
urls = ["http://127.0.0.1:{refusing_port}"]
identity = false

[upstreams.down]
urls = ["http://127.0.0.1:{down_port}"]
identity = false

[[routes]]
prefix = "/down/"
upstream = "down"
access = "public"

[[routes]]
prefix = "/scripted/"
upstream = "scripted"
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
prefix = "/refusing/"
upstream = "refusing"
access = "public"
"""


@pytest.fixture(scope="module")
def service() -> Iterator[RawUpstream]:
    """A service that handles each connection with the script that a test sets."""
    upstream = RawUpstream()
    yield upstream
    upstream.stop()


@pytest.fixture(scope="module")
def second_address() -> Iterator[RawUpstream]:
    """The second address of the upstream `pair`; a test may stop it."""
    upstream = RawUpstream()
    yield upstream
    upstream.stop()


@pytest.fixture(scope="module")
def down_port() -> int:
    """The port of a service that is down until a test starts it."""
    return free_port()


@pytest.fixture(scope="module")
def gateway(
    system: RunningSystem,
    service: RawUpstream,
    second_address: RawUpstream,
    down_port: int,
) -> Iterator[tuple[ManagedProcess, str]]:
    """A gateway with these routes, and its URL."""
    routes = ROUTES.format(
        url=service.url, second_url=second_address.url, refusing_port=free_port(), down_port=down_port
    )
    with system.extra_gateway_with_routes("scripted", routes) as started:
        yield started


@pytest.fixture
def client(gateway: tuple[ManagedProcess, str]) -> Client:
    return Client(gateway[1])
