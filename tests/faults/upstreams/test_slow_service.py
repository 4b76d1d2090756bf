"""A slow service with many clients: its requests are bounded, and other routes keep their response times."""

import asyncio
from collections import Counter

import pytest

from tests.faults.support.figures import AddFigure, percentile, percentiles_in_ms
from tests.faults.support.steady_traffic import SteadyTraffic, TrafficReport
from tests.faults.upstreams.looping_clients import CLIENTS, looping_clients
from tests.gateway.raw_upstream import Conversation, RawUpstream, Script, ok, silent
from tests.system.support.running_stack import Client


async def slow_head(conversation: Conversation) -> None:
    """Respond after a second."""
    await asyncio.sleep(1)
    await conversation.write(ok())


async def slow_body(conversation: Conversation) -> None:
    """Respond at once, with twenty bytes that take two seconds."""
    await conversation.write(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n")
    for _ in range(20):
        await asyncio.sleep(0.1)
        await conversation.write(b"x")


@pytest.mark.parametrize("script", [slow_head, slow_body, silent])
def test_a_slow_service_does_not_slow_other_routes(
    client: Client, service: RawUpstream, script: Script, add_figure: AddFigure
) -> None:
    """Requests to the slow service are served up to its connection limit; the others get 503 at once."""
    service.begin()
    with SteadyTraffic(client.url) as traffic:
        alone = traffic.run_for(3)
        service.begin_answering(script)
        with looping_clients(client.url, "/slow/") as responses:
            during = traffic.run_for(6)
    service.begin()
    refused = [response for response in responses if response.status == 503]
    refused_seconds = [response.seconds for response in refused]
    statuses = Counter(response.status for response in responses)
    add_figure(f"other routes alone: {percentiles_in_ms(durations(alone))}")
    add_figure(
        f"during {CLIENTS} clients of a service with {script.__name__}: {percentiles_in_ms(durations(during))}"
    )
    add_figure(f"the slow service: {dict(statuses)}, 503 after {percentiles_in_ms(refused_seconds)}")
    assert during.statuses() == {200}, during.failures()
    assert percentile(durations(during), 99) < 0.5
    assert statuses.keys() == {504 if script is silent else 200, 503}
    assert all(response.retry_after for response in refused)
    assert percentile(refused_seconds, 99) < 1


def durations(report: TrafficReport) -> list[float]:
    return [outcome.response.seconds for outcome in report.outcomes]
