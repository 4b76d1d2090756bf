"""Concurrent calls to the auth service are limited in number, and a call that waits too long fails."""

import asyncio
import time

from prometheus_client import CollectorRegistry

from gateway.routing.routes import Address
from gateway.tokens.auth_client import MAX_CONCURRENT_CALLS, QUEUE_SECONDS, AuthClient, AuthResponse, auth_upstream
from gateway.upstreams.balancer import Balancer
from gateway.upstreams.events import UpstreamEvents
from gateway.upstreams.metrics import UpstreamMetrics
from tests.gateway.access_tokens import PEER_SECRET
from tests.gateway.raw_upstream import Conversation, RawUpstream, ok

CALLS = 60


async def answer_slowly(conversation: Conversation) -> None:
    """Answer so late that all calls have started."""
    await conversation.read_body()
    await asyncio.sleep(0.05)
    await conversation.write(ok(b"{}"))


async def call_at_once(upstream: RawUpstream, queue_seconds: float = QUEUE_SECONDS) -> list[object]:
    service = auth_upstream(Address("auth", "127.0.0.1", upstream.port))
    events = UpstreamEvents(service, UpstreamMetrics(CollectorRegistry()), time.monotonic)
    balancer = Balancer(service, events, time.monotonic)
    client = AuthClient(balancer, PEER_SECRET, time.time, queue_seconds=queue_seconds)
    answers = await asyncio.gather(*(client.post("/x", b"{}") for _ in range(CALLS)), return_exceptions=True)
    balancer.close()
    return list(answers)


def test_many_calls_share_a_bounded_number_of_connections(upstream: RawUpstream) -> None:
    upstream.begin(answer_slowly)
    before = upstream.connections
    assert asyncio.run(call_at_once(upstream)) == [AuthResponse(200, b"{}", None)] * CALLS
    assert upstream.connections - before <= MAX_CONCURRENT_CALLS


def test_a_call_that_waits_too_long_fails_and_the_others_are_answered(upstream: RawUpstream) -> None:
    upstream.begin(answer_slowly)
    answers = asyncio.run(call_at_once(upstream, queue_seconds=0.02))
    assert answers.count(AuthResponse(200, b"{}", None)) == MAX_CONCURRENT_CALLS
    assert {type(answer) for answer in answers} == {AuthResponse, OSError}
