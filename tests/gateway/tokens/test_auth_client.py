"""The gateway's own calls to the auth service: so many at once, and the others wait for their turn."""

import asyncio
import time

import pytest
from prometheus_client import CollectorRegistry

from gateway.routing.routes import Address
from gateway.tokens import auth_client
from gateway.tokens.auth_client import AuthAnswer, AuthClient, auth_calls
from gateway.upstreams.balancer import Balancer
from gateway.upstreams.events import UpstreamEvents
from gateway.upstreams.metrics import UpstreamMetrics
from tests.gateway.access_tokens import PEER_SECRET
from tests.gateway.raw_upstream import Conversation, RawUpstream, ok

CROWD = 60


async def slowly(conversation: Conversation) -> None:
    """Long enough that all come before the first is answered."""
    await conversation.read_body()
    await asyncio.sleep(0.05)
    await conversation.write(ok(b"{}"))


async def call_at_once(upstream: RawUpstream, calls: int) -> list[object]:
    service = auth_calls(Address("auth", "127.0.0.1", upstream.port))
    report = UpstreamEvents(service, UpstreamMetrics(CollectorRegistry()), time.monotonic)
    balancer = Balancer(service, report, time.monotonic)
    client = AuthClient(balancer, PEER_SECRET, time.time)
    answers = await asyncio.gather(*(client.post("/x", b"{}") for _ in range(calls)), return_exceptions=True)
    balancer.close()
    return list(answers)


def test_a_crowd_is_served_over_a_bounded_number_of_connections(upstream: RawUpstream) -> None:
    upstream.begin(slowly)
    before = upstream.connections
    assert asyncio.run(call_at_once(upstream, CROWD)) == [AuthAnswer(200, b"{}", None)] * CROWD
    assert upstream.connections - before <= auth_client._LIMIT


def test_who_waits_too_long_for_a_turn_is_told_so(upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is served: only those beyond go without."""
    monkeypatch.setattr(auth_client, "_PATIENCE", 0.02)
    upstream.begin(slowly)
    answers = asyncio.run(call_at_once(upstream, CROWD))
    assert answers.count(AuthAnswer(200, b"{}", None)) == auth_client._LIMIT
    assert {type(answer) for answer in answers} == {AuthAnswer, OSError}
