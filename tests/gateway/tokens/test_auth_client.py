"""Concurrent calls to the auth service are limited in number, and a call that waits too long fails."""

import asyncio
import time
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from chassis.secret_rotation.watched_secret import Secrets, WatchedSecret
from contract.claims import InvalidToken
from contract.peer_token import verify_peer
from contract.secret_list import split_secrets
from gateway.routing.routes import Address
from gateway.tokens.auth_client import (
    MAX_CONCURRENT_CALLS,
    QUEUE_SECONDS,
    AuthClient,
    AuthResponse,
    PeerRejected,
    auth_upstream,
)
from gateway.upstreams.balancer import Balancer
from gateway.upstreams.events import UpstreamEvents
from gateway.upstreams.metrics import UpstreamMetrics
from tests.gateway.access_tokens import PEER_SECRET
from tests.gateway.raw_upstream import Conversation, RawUpstream, ok
from tests.watched import watched

CALLS = 60


async def answer_slowly(conversation: Conversation) -> None:
    """Answer so late that all calls have started."""
    await conversation.read_body()
    await asyncio.sleep(0.05)
    await conversation.write(ok(b"{}"))


def client_of(
    upstream: RawUpstream, secrets: Secrets, queue_seconds: float = QUEUE_SECONDS
) -> tuple[AuthClient, Balancer]:
    service = auth_upstream(Address("auth", "127.0.0.1", upstream.port))
    events = UpstreamEvents(service, UpstreamMetrics(CollectorRegistry()), time.monotonic)
    balancer = Balancer(service, events, time.monotonic)
    return AuthClient(balancer, secrets, time.time, queue_seconds=queue_seconds), balancer


async def call_at_once(upstream: RawUpstream, queue_seconds: float = QUEUE_SECONDS) -> list[object]:
    client, balancer = client_of(upstream, watched(PEER_SECRET), queue_seconds)
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


def test_a_call_is_repeated_once_if_the_peer_secret_was_replaced_meanwhile(
    upstream: RawUpstream, tmp_path: Path
) -> None:
    """The auth service has read the new secret, and this gateway looks at the file only now."""
    new = PEER_SECRET[::-1]
    file = tmp_path / "peer.secret"
    file.write_text(new)
    tokens = []

    async def answer(conversation: Conversation) -> None:
        await conversation.read_body()
        token = conversation.request.get("x-peer") or ""
        tokens.append(token)
        try:
            verify_peer(token, new, now=time.time())
        except InvalidToken:
            problem = b'{"code": "peer_refused", "detail": "Token has a bad signature"}'
            length = f"Content-Length: {len(problem)}\r\n".encode()
            await conversation.write(b"HTTP/1.1 403 X\r\n" + length + b"\r\n" + problem)
        else:
            await conversation.write(ok(b"{}"))

    async def call(secrets: Secrets) -> AuthResponse:
        client, balancer = client_of(upstream, secrets)
        try:
            return await client.post("/x", b"{}")
        finally:
            balancer.close()

    upstream.begin(answer)
    secrets = WatchedSecret("PEER_SECRET", PEER_SECRET, file, split_secrets)
    assert asyncio.run(call(secrets)) == AuthResponse(200, b"{}", None)
    assert len(tokens) == 2
    with pytest.raises(PeerRejected, match="bad signature"):
        asyncio.run(call(watched(PEER_SECRET)))
    assert len(tokens) == 3
