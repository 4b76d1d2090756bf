"""A gateway that starts before the auth service counts no failed calls; one whose auth service stays away does."""

import socket
import time
from collections.abc import Callable, Iterator

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from gateway.tokens.verification_keys import START_SECONDS
from tests.clocks import MovableClock
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_upstream import WAIT
from tests.gateway.running_gateway import running


@pytest.fixture
def unused_port() -> Iterator[int]:
    """A port at which nothing listens, and which no other test gets."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_failed_calls_are_counted_only_after_the_time_in_which_services_start(
    make_app: MakeApp, unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise, the alert SallyportUpstreamFailures fires whenever both services are started together."""
    monkeypatch.setattr("gateway.worker_application.STARTUP_WAIT_SECONDS", 0.1)
    monotonic = MovableClock()
    app = make_app(monotonic=monotonic, AUTH_URL=f"http://127.0.0.1:{unused_port}")
    registry: CollectorRegistry = app.malformed_requests._count.__self__.registry  # type: ignore[attr-defined]

    def failed_calls() -> float:
        labels = {"upstream": "auth_calls", "address": f"127.0.0.1:{unused_port}", "reason": "ConnectionRefusedError"}
        return registry.get_sample_value("sallyport_gateway_upstream_failures_total", labels) or 0

    with capture_logs() as logs, running(app, until="/healthz"):
        assert becomes_true(lambda: any(line["event"] == "jwks_fetch_failed" for line in logs))
        assert failed_calls() == 0
        monotonic.move(START_SECONDS)
        assert becomes_true(lambda: failed_calls() >= 1)


def becomes_true(condition: Callable[[], bool]) -> bool:
    """Return whether `condition` is met within WAIT seconds."""
    deadline = time.monotonic() + WAIT
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)  # the gateway works in another thread: no clock to move
    return condition()
