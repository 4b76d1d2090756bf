"""What is counted in a worker reaches Prometheus, and says how old the revocation feed is."""

from redis.asyncio import Redis

from chassis.metrics import render_metrics
from contract.revocation import Revocation
from gateway.observability.metrics import Metrics
from gateway.tokens.revocation_feed import RevocationFeed
from gateway.tokens.revocations import Revocations
from tests.clocks import MovableClock


def shown(metrics: Metrics) -> dict[str, float]:
    """The samples, by name and labels."""
    metrics.transfer()
    text, content_type = render_metrics(metrics.registry)
    assert content_type.startswith("text/plain")
    lines = [line for line in text.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_answers_are_counted_by_status(clock: MovableClock) -> None:
    revocations = Revocations(fail_closed=False)
    metrics = Metrics(RevocationFeed(Redis(), revocations, clock), revocations, clock)
    metrics.answers[200] += 2
    metrics.answers[401] += 1
    assert shown(metrics)['sallyport_gateway_requests_total{status="200"}'] == 2
    metrics.answers[200] += 1
    samples = shown(metrics)
    assert samples['sallyport_gateway_requests_total{status="200"}'] == 3
    assert samples['sallyport_gateway_requests_total{status="401"}'] == 1


def test_withheld_fields_are_counted(clock: MovableClock) -> None:
    revocations = Revocations(fail_closed=False)
    metrics = Metrics(RevocationFeed(Redis(), revocations, clock), revocations, clock)
    metrics.note_withheld(2)
    metrics.note_withheld(0)
    assert shown(metrics)["sallyport_gateway_withheld_fields_total"] == 2
    metrics.note_withheld(1)
    assert shown(metrics)["sallyport_gateway_withheld_fields_total"] == 3


def test_the_feeds_age_and_size_are_told(clock: MovableClock) -> None:
    revocations = Revocations(fail_closed=False)
    metrics = Metrics(RevocationFeed(Redis(), revocations, clock), revocations, clock)
    assert shown(metrics)["sallyport_gateway_revocation_feed_age_seconds"] == float("inf")
    revocations.add(Revocation("sid", "ada-session", int(clock()), int(clock()) + 300))
    assert shown(metrics)["sallyport_gateway_revocations"] == 1


def test_the_routes_in_force_are_told(clock: MovableClock) -> None:
    revocations = Revocations(fail_closed=False)
    metrics = Metrics(RevocationFeed(Redis(), revocations, clock), revocations, clock)
    metrics.tell_routes("0123456789ab", refused=True)
    samples = shown(metrics)
    assert samples['sallyport_gateway_routes_in_force{version="0123456789ab"}'] == 1
    assert samples["sallyport_gateway_routes_refused"] == 1
