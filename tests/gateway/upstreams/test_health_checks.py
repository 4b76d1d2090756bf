"""Active health checks: when an address becomes unhealthy or healthy, and which addresses then get requests."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.routing.routes import HealthCheck
from gateway.upstreams.health_checks import HealthState, after_check
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_upstream import WAIT, Conversation, RawUpstream, Script, ok, silent
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.single_requests import request_once

CHECK = HealthCheck("/healthz", unhealthy_after=3, healthy_after=2)
ROUTES = """
[upstreams.pair]
urls = ["{first}", "{second}"]
health = {{ path = "/healthz?deep", interval = 0.1, timeout = 0.2, unhealthy_after = 2, healthy_after = 2 }}

[[routes]]
prefix = "/"
upstream = "pair"
access = "public"
"""


@pytest.mark.parametrize(
    ("checks", "healthy"),
    [
        ("", True),
        ("xx", True),
        ("xx.xx", True),
        ("xxx", False),
        ("xxx.", False),
        ("xxx.x.", False),
        ("xxx..", True),
        ("xxx..xx", True),
        ("xxx..xxx", False),
    ],
)
def test_consecutive_checks_change_the_state(checks: str, healthy: bool) -> None:
    """`x` is a failed check, `.` a passed one; three failed or two passed ones change the state."""
    state = HealthState()
    for check in checks:
        state = after_check(state, check == ".", CHECK)
    assert state.healthy is healthy


def answering_checks(name: bytes, status: str) -> Script:
    """Return a script that responds with `status` to health checks, and with `name` to other requests."""

    async def script(conversation: Conversation) -> None:
        if conversation.request.request_line == "GET /healthz?deep HTTP/1.1":
            await conversation.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        else:
            await conversation.write(ok(name))

    return script


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)  # real sockets, in another thread


@pytest.fixture
def pair() -> Iterator[tuple[RawUpstream, RawUpstream]]:
    first, second = RawUpstream(), RawUpstream()
    first.begin(answering_checks(b"first", "200 OK"))
    second.begin(answering_checks(b"second", "204 No Content"))
    yield first, second
    first.stop()
    second.stop()


@pytest.fixture
def checking(make_app: MakeApp, tmp_path: Path, pair: tuple[RawUpstream, RawUpstream]) -> Iterator[RunningGateway]:
    (tmp_path / "routes.toml").write_text(ROUTES.format(first=pair[0].url, second=pair[1].url))
    with running(make_app(GATEWAY_ROUTES=str(tmp_path / "routes.toml"))) as gateway:
        yield gateway


def responders(gateway: RunningGateway) -> set[bytes]:
    """Return the bodies of the responses to six consecutive requests."""
    return {request_once(gateway, "/").body for _ in range(6)}


@pytest.mark.parametrize(
    ("fault", "reason"), [(answering_checks(b"first", "503 Busy"), "status 503"), (silent, "timeout")]
)
def test_an_unhealthy_address_gets_no_requests_until_it_is_healthy(
    checking: RunningGateway, pair: tuple[RawUpstream, RawUpstream], fault: Script, reason: str
) -> None:
    """No request fails, and each change is logged once."""
    assert responders(checking) == {b"first", b"second"}
    with capture_logs() as lines:
        pair[0].begin_answering(fault)
        wait_until(lambda: len(lines) == 1)
        assert responders(checking) == {b"second"}
        pair[0].begin_answering(answering_checks(b"first", "200 OK"))
        wait_until(lambda: responders(checking) == {b"first", b"second"})
    events = [(line["event"], line.get("reason")) for line in lines]
    assert events == [("upstream_unhealthy", reason), ("upstream_healthy", None)]


def test_if_every_address_is_unhealthy_all_get_requests(
    checking: RunningGateway, pair: tuple[RawUpstream, RawUpstream]
) -> None:
    """A wrong health-check path must not block a service that responds."""
    with capture_logs() as lines:
        for upstream, name in zip(pair, (b"first", b"second"), strict=True):
            upstream.begin_answering(answering_checks(name, "404 Not Found"))
        wait_until(lambda: len(lines) == 2)
    assert responders(checking) == {b"first", b"second"}
