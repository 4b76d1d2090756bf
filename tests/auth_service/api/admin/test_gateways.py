"""Staff see the upstreams and circuits that the gateways report on their internal addresses."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from auth_service.administration import gateway_states
from gateway.upstreams.metrics import UpstreamMetrics
from tests.auth_service.conftest import MakeApp
from tests.auth_service.world import Operator, Person
from tests.ports import free_port

PATH = "/auth/admin/gateways/"


def metrics() -> bytes:
    """Return what a gateway serves, by its own metrics of upstreams."""
    registry = CollectorRegistry()
    upstreams = UpstreamMetrics(registry)
    upstreams.set_circuit("notes", "open")
    upstreams.set_circuit("web", "closed")
    upstreams.set_excluded("notes", "10.0.0.7:80", excluded=True)
    upstreams.set_excluded("web", "10.0.0.8:80", excluded=False)
    upstreams.count_failure("notes", "10.0.0.7:80", "timeout")
    upstreams.count_failure("notes", "10.0.0.7:80", "refused")
    more = (
        b'sallyport_gateway_requests_total{status="200"} 5.0\nsallyport_gateway_requests_total{status="204"} 2.0\n'
        b'sallyport_gateway_requests_total{status="404"} 1.0\nsallyport_gateway_requests_total{status="0"} 3.0\n'
        b"sallyport_gateway_revocation_feed_age_seconds 0.5\nsallyport_gateway_routes_refused 1.0\n"
    )
    return generate_latest(registry) + more


class _Gateway(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/metrics" else 404)
        self.end_headers()
        self.wfile.write(metrics())

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def gateway() -> Iterator[str]:
    """The internal address of a gateway."""
    with HTTPServer(("127.0.0.1", 0), _Gateway) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def staff_of(make_app: MakeApp, addresses: str) -> Person:
    app = make_app(GATEWAY_INTERNAL_ADDRESSES=addresses)
    staff = Person(app.test_client(), "staff@example.org")
    staff.register()
    Operator(app).grant(staff.email, "staff")
    staff.log_in()
    return staff


def test_several_silent_gateways_take_no_longer_than_one(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the request of staff would time out when several gateways hang, which is when they look."""
    monkeypatch.setattr(gateway_states, "TIMEOUT_SECONDS", 0.5)
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(6)]
        staff = staff_of(make_app, ", ".join(f"127.0.0.1:{each.getsockname()[1]}" for each in silent))
        began = time.monotonic()
        found = staff.call("GET", PATH).json
        assert time.monotonic() - began < 2
    assert found
    assert [gateway["problem"] for gateway in found] == ["timed out"] * 6


def test_each_gateway_is_shown_and_one_that_is_silent_with_the_reason(
    make_app: MakeApp, gateway: str, tmp_path: Path
) -> None:
    closed, missing = f"127.0.0.1:{free_port()}", f"unix:{tmp_path}/none.sock"
    staff = staff_of(make_app, f"{gateway}, {closed}, {missing}")
    found = staff.call("GET", PATH).json
    assert found
    assert found[0] == {
        "address": gateway,
        "problem": "",
        "state": {
            "requests": {"2xx": 7, "4xx": 1, "cut": 3},
            "revocation_feed_age": 0.5,
            "routes_refused": True,
            "upstreams": [
                {
                    "name": "notes",
                    "circuit": "open",
                    "addresses": [{"address": "10.0.0.7:80", "is_out": True, "failures": 2}],
                },
                {
                    "name": "web",
                    "circuit": "closed",
                    "addresses": [{"address": "10.0.0.8:80", "is_out": False, "failures": 0}],
                },
            ],
        },
    }
    for address, silent in zip((closed, missing), found[1:], strict=True):
        assert (silent["address"], silent["state"]) == (address, None)
        assert silent["problem"]


def test_without_the_setting_the_list_is_empty(staff: Person) -> None:
    assert staff.call("GET", PATH).json == []
