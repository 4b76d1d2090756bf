"""A running gateway counts what it answers: by route, by kind of credentials, and with the durations apart."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from gateway.observability.metrics import Metrics
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_upstream import Conversation, RawUpstream, answering, ok
from tests.gateway.running_gateway import RunningGateway, running

SERVICE_SECONDS = 0.03


@dataclass(slots=True)
class CountingGateway:
    """A running gateway and its metrics."""

    gateway: RunningGateway
    metrics: Metrics

    def get(self, path: str, token: str = "", method: str = "GET") -> int:
        """Send a request on a connection of its own, and return the status."""
        fields = ("Host: h", *([f"Authorization: Bearer {token}"] if token else []))
        with self.gateway.connect() as client:
            return client.request(f"{method} {path} HTTP/1.1", *fields).status

    def value(self, name: str, **labels: str) -> float:
        """Return the value of a metric; 0 if it has no such labels."""
        self.metrics.transfer()
        return self.metrics.registry.get_sample_value(f"sallyport_gateway_{name}", labels) or 0.0

    def requests(self, route: str, status: int, method: str = "GET") -> float:
        """Return the number of requests."""
        return self.value("requests_total", route=route, status=str(status), method=method)


@pytest.fixture
def counting(make_app: MakeApp, upstream: RawUpstream, auth_upstream: RawUpstream) -> Iterator[CountingGateway]:
    app = make_app(GATEWAY_INTERNAL_BIND="127.0.0.1:1")
    metrics = app.malformed_requests._count.__self__  # type: ignore[attr-defined]
    with running(app) as gateway:
        yield CountingGateway(gateway, metrics)


def test_requests_are_counted_under_the_prefix_of_their_route(counting: CountingGateway, token: str) -> None:
    assert counting.get("/api/notes/8f2c", token) == 200
    assert counting.get("/api/notes/91ab", token) == 200
    assert counting.get("/api/notes/91ab") == 401
    assert counting.get("/nowhere/8f2c") == 404
    assert counting.requests("/api/", 200) == 2
    assert counting.requests("/api/", 401) == 1
    assert counting.requests("none", 404) == 1


def test_the_time_of_the_service_is_apart_from_that_of_the_gateway(
    counting: CountingGateway, upstream: RawUpstream
) -> None:
    async def slow(conversation: Conversation) -> None:
        await conversation.read_body()
        await asyncio.sleep(SERVICE_SECONDS)
        await conversation.write(ok())

    upstream.begin(slow)
    for _ in range(3):  # the first on a new connection, in a task; the others by callbacks
        assert counting.get("/public/x") == 200
    service = counting.value("upstream_duration_seconds_sum", route="/public/")
    total = counting.value("request_duration_seconds_sum", route="/public/")
    gateway = counting.value("overhead_seconds_sum", route="/public/")
    assert counting.value("upstream_duration_seconds_count", route="/public/") == 3
    assert service >= 3 * SERVICE_SECONDS * 0.99
    assert total == pytest.approx(service + gateway)
    assert gateway > 0


def test_a_stream_is_counted_without_durations(counting: CountingGateway, upstream: RawUpstream, token: str) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    upstream.begin(answering(head + b"data: 1\n\n", then_close=True))
    with counting.gateway.connect() as client:
        client.send(f"GET /api/events HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        client.read_response("GET")
    assert counting.requests("/api/", 200) == 1
    assert counting.value("request_duration_seconds_count", route="/api/") == 0


def test_credentials_are_counted_by_kind_and_result(counting: CountingGateway, token: str) -> None:
    counting.get("/api/x", token)
    counting.get("/api/x", token)
    counting.get("/api/x", "forged")
    counting.get("/api/x")
    name = "authentications_total"
    assert counting.value(name, kind="bearer", result="ok") == 2
    assert counting.value(name, kind="bearer", result="token_invalid") == 1
    assert counting.value(name, kind="none", result="no_credentials") == 1
    assert counting.value("cache_misses_total", cache="tokens") == 2  # the token, and the forged one


def test_connections_to_a_service_are_exported(counting: CountingGateway) -> None:
    counting.get("/public/x")
    assert counting.value("upstream_connections", upstream="notes", state="idle") >= 1
    assert counting.value("upstream_connections", upstream="notes", state="in_use") == 0
    assert counting.value("upstream_connections_limit", upstream="notes") > 0


def test_without_an_address_for_metrics_requests_are_not_counted(make_app: MakeApp, upstream: RawUpstream) -> None:
    app = make_app()
    metrics = app.malformed_requests._count.__self__  # type: ignore[attr-defined]
    with running(app) as gateway:
        counting = CountingGateway(gateway, metrics)
        assert counting.get("/public/x") == 200
        assert counting.requests("/public/", 200) == 0
