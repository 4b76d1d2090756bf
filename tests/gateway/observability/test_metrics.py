"""The counts of a worker, and the state of its revocation feed, are exported as Prometheus metrics."""

import pytest
from redis.asyncio import Redis

from chassis.metrics import render_metrics
from contract.revocation import Revocation
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


def samples(metrics: Metrics) -> dict[str, float]:
    """Return the exported values by name and labels."""
    metrics.transfer()
    text, content_type = render_metrics(metrics.registry)
    assert content_type.startswith("text/plain")
    lines = [line for line in text.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_responses_are_counted_by_status(metrics: Metrics) -> None:
    metrics.responses[200] += 2
    metrics.responses[401] += 1
    assert samples(metrics)['sallyport_gateway_requests_total{status="200"}'] == 2
    metrics.responses[200] += 1
    assert samples(metrics)['sallyport_gateway_requests_total{status="200"}'] == 3
    assert samples(metrics)['sallyport_gateway_requests_total{status="401"}'] == 1


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
    assert exported['sallyport_gateway_requests_total{status="400"}'] == 1


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
