"""A malformed request gets a response with a request id, is logged with that id, and is counted."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.server.malformed_requests import LINES_A_SECOND, MalformedRequests
from tests.clocks import MovableClock
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_upstream import RawUpstream
from tests.gateway.running_gateway import running
from tests.gateway.server.connections.test_connection_deadlines import SHORT_TIMEOUTS

MALFORMED = {
    "not HTTP": (400, "bad_request", b"\0\r\n\r\n"),
    "TLS": (400, "bad_request", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    "an unknown method": (400, "bad_request", b"BREW / HTTP/1.1\r\nHost: h\r\n\r\n"),
    "a space before a colon": (400, "bad_request", b"GET / HTTP/1.1\r\nHost : h\r\n\r\n"),
    "two lengths": (
        400,
        "bad_request",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ),
    "a bad chunk": (
        400,
        "bad_request",
        b"POST /public/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ),
    "a head that is too large": (431, "headers_too_large", b"GET /" + b"a" * 150_000),
}


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    with capture_logs() as found:
        yield found


@pytest.mark.parametrize("name", MALFORMED)
def test_the_response_and_the_log_have_the_same_request_id_and_it_is_counted(
    make_app: MakeApp, auth_upstream: RawUpstream, lines: list[Any], name: str
) -> None:
    status, code, raw = MALFORMED[name]
    app = make_app()
    with running(app) as gateway:
        with gateway.connect() as client:
            client.send(raw)
            response = client.read_response("POST")
            assert client.is_closed()
        metrics = app.malformed_requests._count.__self__  # type: ignore[attr-defined]
        metrics.transfer()
        totals = {
            (sample.name, *sample.labels.values()): sample.value
            for metric in metrics.registry.collect()
            for sample in metric.samples
        }
    assert (response.status, response.problem["code"]) == (status, code)
    request_id = response.get("x-request-id")
    assert request_id is not None
    assert re.fullmatch("[0-9a-f]{24}", request_id)
    assert response.problem["request_id"] == request_id
    (line,) = [line for line in lines if line["event"] == "malformed_request"]
    assert line.pop("reason")
    assert line == {
        "event": "malformed_request",
        "log_level": "warning",
        "client": "127.0.0.1",
        "status": status,
        "code": code,
        "request_id": request_id,
        "not_logged": 0,
    }
    assert totals["sallyport_gateway_malformed_requests_total", code] == 1
    assert totals["sallyport_gateway_requests_total", "none", "other", str(status)] == 1


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"GET /public/ HTTP/1.1\r\nHost: h\r\nX: y", "request_timeout"),
        (b"POST /public/ HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf", "request_timeout"),
    ],
    ids=["head", "body"],
)
def test_a_request_that_is_incomplete_at_the_deadline_is_a_408(
    make_app: MakeApp, auth_upstream: RawUpstream, upstream: RawUpstream, lines: list[Any], raw: bytes, code: str
) -> None:
    with running(make_app(), SHORT_TIMEOUTS) as gateway, gateway.connect() as client:
        client.send(raw)
        response = client.read_response("POST")
        assert (response.status, response.problem["code"]) == (408, code)
        assert response.get("connection") == "close"
        assert client.is_closed()
    (line,) = [line for line in lines if line["event"] == "malformed_request"]
    assert (line["code"], line["request_id"]) == (code, response.get("x-request-id"))
    assert upstream.requests == []


def test_a_connection_without_input_is_closed_without_a_response_or_a_log_line(
    make_app: MakeApp, auth_upstream: RawUpstream, lines: list[Any]
) -> None:
    with running(make_app(), SHORT_TIMEOUTS) as gateway, gateway.connect() as client:
        assert client.is_closed()
    assert [line for line in lines if line["event"] == "malformed_request"] == []


def test_at_most_five_lines_a_second_are_logged_and_all_requests_are_counted(
    clock: MovableClock, lines: list[Any]
) -> None:
    counts: list[tuple[int, str]] = []
    malformed = MalformedRequests(lambda status, code: counts.append((status, code)), clock)
    for _ in range(1_000):
        malformed.record("192.0.2.1", 400, "bad_request", "id", "Invalid method")
    clock.move(1)
    malformed.record("192.0.2.2", 431, "headers_too_large", "id", "too long")
    assert len(counts) == 1_001
    assert [(line["client"], line["not_logged"]) for line in lines] == [
        *[("192.0.2.1", 0)] * LINES_A_SECOND,
        ("192.0.2.2", 1_000 - LINES_A_SECOND),
    ]
