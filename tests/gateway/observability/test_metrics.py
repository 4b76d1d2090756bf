"""The counts of a worker, and the state of its revocation feed, are exported as Prometheus metrics."""

import asyncio
from contextlib import suppress

import pytest
from redis.asyncio import Redis

from chassis.metrics.multiprocess import render_metrics
from contract.revocation import Revocation
from gateway.observability.authentication_metrics import AuthenticationCounts, AuthenticationMetrics
from gateway.observability.metrics import Metrics
from gateway.tokens.revocation_feed import RevocationFeed
from gateway.tokens.revocations import Revocations
from tests.clocks import MovableClock


@pytest.fixture
def revocations() -> Revocations:
    return Revocations(fail_closed=False)


@pytest.fixture
def metrics(revocations: Revocations, clock: MovableClock) -> Metrics:
    return Metrics(RevocationFeed(Redis(), revocations, clock), revocations, clock)


NOTES = "/api/notes/"


def requests_total(method: str, route: str, status: int) -> str:
    return f'sallyport_gateway_requests_total{{method="{method}",route="{route}",status="{status}"}}'


def samples(metrics: Metrics) -> dict[str, float]:
    """Return the exported values by name and labels."""
    metrics.transfer()
    text, content_type = render_metrics(metrics.registry)
    assert content_type.startswith("text/plain")
    lines = [line for line in text.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_responses_are_counted_by_route_method_and_status(metrics: Metrics) -> None:
    metrics.requests.add(NOTES, "GET", 200, 0.002, None)
    metrics.requests.add(NOTES, "GET", 200, 0.002, None)
    metrics.requests.add("", "BREW", 404, 0.001, None)
    assert samples(metrics)[requests_total("GET", "/api/notes/", 200)] == 2
    metrics.requests.add(NOTES, "GET", 200, 0.002, None)
    exported = samples(metrics)
    assert exported[requests_total("GET", "/api/notes/", 200)] == 3
    assert exported[requests_total("other", "none", 404)] == 1


def test_a_worker_that_stops_exports_its_last_requests(metrics: Metrics) -> None:
    async def stop_after_a_request() -> None:
        transferring = asyncio.create_task(metrics.keep_transferring())
        await asyncio.sleep(0)
        metrics.requests.add(NOTES, "GET", 200, 0.002, None)
        transferring.cancel()
        with suppress(asyncio.CancelledError):
            await transferring

    asyncio.run(stop_after_a_request())
    name = "sallyport_gateway_requests_total"
    labels = {"route": NOTES, "method": "GET", "status": "200"}
    assert metrics.registry.get_sample_value(name, labels) == 1


def test_durations_of_the_service_and_of_the_gateway_are_apart(metrics: Metrics) -> None:
    metrics.requests.add(NOTES, "GET", 200, 0.203, 0.2)
    exported = samples(metrics)
    route = 'route="/api/notes/"'
    assert exported[f"sallyport_gateway_request_duration_seconds_sum{{{route}}}"] == pytest.approx(0.203)
    assert exported[f"sallyport_gateway_upstream_duration_seconds_sum{{{route}}}"] == pytest.approx(0.2)
    assert exported[f"sallyport_gateway_overhead_seconds_sum{{{route}}}"] == pytest.approx(0.003)
    buckets = "sallyport_gateway_overhead_seconds_bucket"
    assert exported[f'{buckets}{{le="0.0025",{route}}}'] == 0
    assert exported[f'{buckets}{{le="0.005",{route}}}'] == exported[f'{buckets}{{le="+Inf",{route}}}'] == 1


def test_a_stream_is_counted_without_its_duration(metrics: Metrics) -> None:
    metrics.requests.add_untimed(NOTES, "GET", 200)
    exported = samples(metrics)
    assert exported[requests_total("GET", "/api/notes/", 200)] == 1
    assert exported['sallyport_gateway_request_duration_seconds_count{route="/api/notes/"}'] == 0


def test_authentications_are_counted_by_kind_and_result(metrics: Metrics) -> None:
    counts = AuthenticationCounts()
    metrics.update_at_transfer(AuthenticationMetrics(metrics.registry, counts).export)
    counts.accepted["bearer"] += 2
    counts.refuse("bearer", "token_expired")
    counts.refuse("none", "no_credentials")
    name = "sallyport_gateway_authentications_total"
    exported = samples(metrics)
    assert exported[f'{name}{{kind="bearer",result="ok"}}'] == 2
    assert exported[f'{name}{{kind="bearer",result="token_expired"}}'] == 1
    assert samples(metrics)[f'{name}{{kind="none",result="no_credentials"}}'] == 1


def test_withheld_fields_are_counted(metrics: Metrics) -> None:
    metrics.count_withheld_fields(2)
    metrics.count_withheld_fields(0)
    assert samples(metrics)["sallyport_gateway_withheld_fields_total"] == 2
    metrics.count_withheld_fields(1)
    assert samples(metrics)["sallyport_gateway_withheld_fields_total"] == 3


def test_malformed_requests_are_counted_by_code_and_as_responses(metrics: Metrics) -> None:
    metrics.count_malformed(400, "malformed_request")
    exported = samples(metrics)
    assert exported['sallyport_gateway_malformed_requests_total{code="malformed_request"}'] == 1
    assert exported[requests_total("other", "none", 400)] == 1


def test_the_age_of_the_feed_and_the_number_of_revocations_are_exported(
    metrics: Metrics, revocations: Revocations, clock: MovableClock
) -> None:
    assert samples(metrics)["sallyport_gateway_revocation_feed_age_seconds"] == float("inf")
    revocations.add(Revocation("sid", "ada-session", int(clock()), int(clock()) + 300))
    assert samples(metrics)["sallyport_gateway_revocations"] == 1


def test_the_version_of_the_routes_is_exported(metrics: Metrics) -> None:
    metrics.set_routes("0123456789ab", reload_failed=True)
    exported = samples(metrics)
    assert exported['sallyport_gateway_routes_in_force{version="0123456789ab"}'] == 1
    assert exported["sallyport_gateway_routes_refused"] == 1
