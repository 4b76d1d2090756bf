"""The dispatcher: which part of the gateway answers a request, request ids, and one log line for each request."""

import json
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from contract.problems import Refused
from gateway.observability.metrics import Metrics
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import single_request
from tests.gateway.raw_upstream import RawUpstream
from tests.gateway.routes_toml import route_table, routes_toml, upstream_table
from tests.gateway.running_gateway import RunningGateway, running

WITHHELD = "X_Withheld: 1"
"""A field that no service receives. The pipeline counts it."""


@pytest.fixture
def failing_gateway(monkeypatch: pytest.MonkeyPatch, make_app: MakeApp) -> Iterator[RunningGateway]:
    """A gateway whose pipeline fails at every request with a withheld field, because it cannot count it."""

    def fail(_: object, count: int) -> None:
        if count:
            raise ValueError("broken")

    monkeypatch.setattr(Metrics, "count_withheld_fields", fail)
    with running(make_app()) as gateway:
        yield gateway


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_an_unexpected_exception_is_a_500_and_is_logged(failing_gateway: RunningGateway, method: str) -> None:
    """GET is answered by callbacks, OPTIONS in a task."""
    with capture_logs() as lines:
        answer = single_request(failing_gateway.port, f"{method} /public/ HTTP/1.1", "Host: h", WITHHELD)
    assert (answer.status, answer.problem["code"]) == (500, "internal_error")
    logged = [line for line in lines if line["event"] == "unhandled_exception"]
    assert [line["request_id"] for line in logged] == [answer.get("x-request-id")]


def test_a_connection_stays_open_after_an_unexpected_exception(failing_gateway: RunningGateway) -> None:
    with failing_gateway.connect() as client:
        assert client.request("GET /public/ HTTP/1.1", "Host: h", WITHHELD).status == 500
        assert client.request("GET /healthz HTTP/1.1", "Host: h").status == 200


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_a_refusal_by_callbacks_equals_one_in_a_task(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """GET is answered by callbacks, OPTIONS in a task."""

    def refuse(_: object, count: int) -> None:
        if count:
            raise Refused("upstream_busy", retry_after=7)

    monkeypatch.setattr(Metrics, "count_withheld_fields", refuse)
    with running(make_app()) as gateway:
        answer = single_request(gateway.port, f"{method} /public/ HTTP/1.1", "Host: h", WITHHELD)
    assert (answer.status, answer.problem["code"], answer.get("retry-after")) == (503, "upstream_busy", "7")


def test_ids_of_requests_are_unique_in_a_worker_and_between_workers(make_app: MakeApp, upstream: RawUpstream) -> None:
    ids = []
    for _ in range(2):
        with running(make_app()) as gateway, gateway.connect() as client:
            ids += [client.request("GET /public/ HTTP/1.1", "Host: h").get("x-request-id") for _ in range(20)]
    assert len(set(ids)) == 40


def test_endpoints_of_the_gateway_take_precedence_over_routes(
    make_app: MakeApp, upstream: RawUpstream, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("routes")
    (folder / "routes.toml").write_text(routes_toml(upstream_table("notes"), route_table("/", "public")))
    with running(make_app(GATEWAY_ROUTES=str(folder / "routes.toml"))) as gateway, gateway.connect() as client:
        assert client.request("GET /healthz HTTP/1.1", "Host: h").body != b"ok"
        assert upstream.requests == []
        assert client.request("GET /healthz/x HTTP/1.1", "Host: h").body == b"ok"
        assert client.request("GET /metrics HTTP/1.1", "Host: h").body == b"ok", "served at the internal address only"


def test_each_request_is_recorded_once_with_its_status_and_code(
    make_app: MakeApp, upstream: RawUpstream, capfd: pytest.CaptureFixture[str]
) -> None:
    """The access log has a line for each response of the gateway, whichever part of it responds."""
    requests = {
        "GET /public/ HTTP/1.1": (200, None),
        "POST /public/ HTTP/1.1": (200, None),
        "GET /none HTTP/1.1": (404, "not_found"),
        "OPTIONS * HTTP/1.1": (204, None),
        "GET /connection-refused/ HTTP/1.1": (502, "upstream_unreachable"),
    }
    with running(make_app(ACCESS_LOG="true")) as gateway:
        for line in requests:
            framing = ("Transfer-Encoding: chunked",) if line.startswith("POST") else ()
            single_request(gateway.port, line, "Host: h", *framing, body=b"0\r\n\r\n" if framing else b"")
    output = capfd.readouterr().out
    lines = [json.loads(line) for line in output.splitlines() if line.startswith('{"time"')]
    logged = [(line["status"], line.get("code")) for line in lines if line["event"] == "request"]
    assert logged == list(requests.values())
