"""With a collector, each sampled request is a trace that the upstream and the auth service continue."""

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from chassis.settings import SettingsError, load
from gateway.settings import GatewaySettings
from tests.gateway.access_tokens import SigningKey, access_claims
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import RawResponse
from tests.gateway.raw_upstream import RawUpstream
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.stand_ins.auth_service import AuthStandIn, serving
from tests.otlp_collector import Collector, Span, collecting

STRANGER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SERVER, CLIENT = 2, 3
"""Values of SpanKind in OTLP."""


@pytest.fixture(scope="module")
def shared_collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture
def collector(shared_collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Collector:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    shared_collector.spans.clear()
    shared_collector.bodies.clear()
    return shared_collector


@pytest.fixture(scope="module")
def shared_traced(make_app: MakeApp, shared_collector: Collector) -> Iterator[RunningGateway]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
        app = make_app(OTEL_EXPORTER_OTLP_ENDPOINT=shared_collector.url)
    with running(app) as gateway:
        yield gateway


@pytest.fixture
def traced(shared_traced: RunningGateway, collector: Collector, upstream: RawUpstream) -> RunningGateway:
    return shared_traced


def send(gateway: RunningGateway, target: str, *fields: str) -> RawResponse:
    with gateway.connect() as client:
        return client.request(f"GET {target} HTTP/1.1", "Host: h", *fields)


def by_kind(spans: list[Span]) -> tuple[Span, Span]:
    (server,) = [span for span in spans if span.kind == SERVER]
    (client,) = [span for span in spans if span.kind == CLIENT]
    return server, client


def test_the_upstream_continues_the_trace_of_the_request(
    traced: RunningGateway, collector: Collector, upstream: RawUpstream, token: str
) -> None:
    assert send(traced, "/api/notes", f"Authorization: Bearer {token}").status == 200
    server, client = by_kind(collector.wait_for(2))
    assert upstream.last.get("traceparent") == f"00-{server.trace_id}-{client.span_id}-01"
    assert (client.trace_id, client.parent_id, server.parent_id) == (server.trace_id, server.span_id, "")
    assert (server.name, client.name, server.service) == ("GET /api/", "GET notes", "sallyport-gateway")
    assert 0 < client.seconds <= server.seconds
    expected = {
        "http.request.method": "GET",
        "http.route": "/api/",
        "url.path": "/api/notes",
        "http.response.status_code": 200,
        "enduser.id": "ada-id",
        "session.id": "ada-session",
        "sallyport.request_id": upstream.last.get("x-request-id"),
    }
    assert expected.items() <= server.attributes.items()
    assert not server.is_error


def test_repeated_requests_have_traces_of_their_own(
    traced: RunningGateway, collector: Collector, upstream: RawUpstream
) -> None:
    """The heads of repeated requests come from a cache."""
    with traced.connect() as client:
        for _ in range(4):
            client.request("GET /public/ HTTP/1.1", "Host: h", f"traceparent: {STRANGER}", "tracestate: a=1")
            assert upstream.last.get("tracestate") is None
    spans = collector.wait_for(8)
    assert len({span.trace_id for span in spans}) == 4
    assert STRANGER.split("-")[1] not in {span.trace_id for span in spans}


def test_a_trace_of_a_stranger_is_linked_and_not_continued(traced: RunningGateway, collector: Collector) -> None:
    """Otherwise anybody could have all requests recorded, and write into the traces of others."""
    send(traced, "/public/", f"traceparent: {STRANGER}")
    server, _ = by_kind(collector.wait_for(2))
    assert (server.parent_id, server.links) == ("", (STRANGER.split("-")[1],))


@pytest.mark.parametrize("setting", [{"TRUSTED_PROXIES": "127.0.0.1"}, {"TRACEPARENT_FROM": "everyone"}])
def test_the_trace_of_a_trusted_proxy_is_continued(
    make_app: MakeApp, collector: Collector, upstream: RawUpstream, setting: dict[str, str]
) -> None:
    with running(make_app(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, **setting)) as gateway:
        send(gateway, "/public/", f"traceparent: {STRANGER}", "tracestate: vendor=1")
        server, client = by_kind(collector.wait_for(2))
    _, trace_id, span_id, _ = STRANGER.split("-")
    assert (server.trace_id, server.parent_id, server.links) == (trace_id, span_id, ())
    assert upstream.last.get("traceparent") == f"00-{trace_id}-{client.span_id}-01"
    assert upstream.last.get("tracestate") == "vendor=1"


def test_a_trace_that_the_caller_does_not_record_is_not_recorded(
    make_app: MakeApp, collector: Collector, upstream: RawUpstream
) -> None:
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "TRACEPARENT_FROM": "everyone"}
    with running(make_app(**settings)) as gateway:
        send(gateway, "/public/", f"traceparent: {STRANGER.removesuffix('01')}00")
    assert (upstream.last.get("traceparent") or "").endswith("-00")
    assert collector.spans == []  # stopping the gateway has sent everything


def test_a_malformed_traceparent_has_no_request_recorded(
    make_app: MakeApp, collector: Collector, upstream: RawUpstream
) -> None:
    """Proxies pass on what a client sends."""
    settings = {"TRUSTED_PROXIES": "127.0.0.1", "OTEL_TRACES_SAMPLER": "parentbased_always_off"}
    with running(make_app(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, **settings)) as gateway:
        send(gateway, "/public/", "traceparent: 00-0-0-01")
    assert (upstream.last.get("traceparent") or "").endswith("-00")
    assert collector.spans == []


def test_a_request_that_is_not_sampled_tells_its_upstream_so(
    make_app: MakeApp, collector: Collector, upstream: RawUpstream
) -> None:
    """Otherwise the upstream would begin a trace of its own."""
    sampler = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}
    with running(make_app(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, **sampler)) as gateway:
        send(gateway, "/public/")
    assert (upstream.last.get("traceparent") or "").endswith("-00")
    assert collector.spans == []


def test_a_refusal_and_a_failure_name_their_code(traced: RunningGateway, collector: Collector) -> None:
    assert send(traced, "/api/").status == 401
    assert send(traced, "/connection-refused/").status == 502
    refused, failed = collector.wait_for(2)
    assert (refused.attributes["error.type"], refused.is_error) == ("no_credentials", False)
    assert (failed.attributes["error.type"], failed.is_error) == ("upstream_unreachable", True)


def test_a_refresh_is_a_span_that_the_auth_service_continues(
    make_app: MakeApp, collector: Collector, upstream: RawUpstream, signing_key: SigningKey
) -> None:
    auth = AuthStandIn(signing_key)
    expired = signing_key.sign(access_claims(time.time() - 900))
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    with serving(auth) as server, running(make_app(AUTH_URL=server.url, **settings)) as gateway:
        answer = send(gateway, "/api/", f"Authorization: Bearer {expired}", "X-Refresh-Token: good-refresh")
        assert answer.status == 200, answer
        (call,) = [request for request in server.requests if "/auth/jwt/refresh/" in request.request_line]
    spans = collector.wait_for(3)
    (own,) = [span for span in spans if span.kind == SERVER]
    (refresh,) = [span for span in spans if span.name == "POST /auth/jwt/refresh/"]
    assert (refresh.trace_id, refresh.parent_id) == (own.trace_id, own.span_id)
    assert call.get("traceparent") == f"00-{own.trace_id}-{refresh.span_id}-01"


def test_spans_contain_no_query_no_token_and_no_address_of_a_mail(
    traced: RunningGateway, collector: Collector, token: str
) -> None:
    link = "c4nv2k-" + "m" * 43
    send(traced, f"/public/{link}?ticket=secret-ticket", f"Authorization: Bearer {token}", "Cookie: a=secret-cookie")
    send(traced, "/api/?email=ada@example.org", f"Authorization: Bearer {token}")
    collector.wait_for(4)
    sent = b"".join(collector.bodies)
    assert b"[mail-token]" in sent
    for secret in (link, "secret-ticket", "secret-cookie", "ada@example", *token.split(".")):
        assert secret.encode() not in sent


def test_a_collector_that_is_down_fails_no_request_and_delays_no_stop(
    make_app: MakeApp, upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    # Seconds of retries, which go on in a thread after this test and draw from `random`: Hypothesis reports that.
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with running(make_app(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")) as gateway:
        assert [send(gateway, "/public/").status for _ in range(3)] == [200] * 3
        started = time.monotonic()
    assert time.monotonic() - started < 8


@pytest.mark.system
def test_without_a_collector_the_exporter_is_not_loaded() -> None:
    """redis-py loads OpenTelemetry's API by itself if that is installed."""
    program = (
        "import sys, gateway.app, auth_service.app, resource_service.app, chassis.tracing.worker;"
        "loaded = ('opentelemetry.exporter', 'opentelemetry.instrumentation', 'chassis.tracing.span_export');"
        "assert not [name for name in sys.modules if name.startswith(loaded)]"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_a_missing_package_stops_the_start_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chassis.tracing.settings.find_spec", lambda _: None)
    with pytest.raises(
        SettingsError, match=r"OTEL_EXPORTER_OTLP_ENDPOINT needs packages .*requirements/tracing\.txt"
    ):
        load(GatewaySettings, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"})
