"""Requests that wait before they are forwarded: refreshed tokens, revocations during the wait, queues."""

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest
from redis import Redis

from contract.revocation import SESSION, STREAM, Revocation
from tests.gateway.access_tokens import SigningKey, access_claims
from tests.gateway.browser import send
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_upstream import WAIT, Conversation, RawUpstream, ok
from tests.gateway.routes_toml import route_table, routes_toml, upstream_table
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.stand_ins.auth_service import AuthStandIn, serving


@pytest.fixture
def refreshing(signing_key: SigningKey, upstream: RawUpstream, make_app: MakeApp) -> Iterator[RunningGateway]:
    """A gateway whose auth service refreshes tokens."""
    with serving(AuthStandIn(signing_key)) as server, running(make_app(AUTH_URL=server.url)) as gateway:
        yield gateway


def test_a_refusal_after_a_refresh_carries_the_fresh_tokens(
    refreshing: RunningGateway, upstream: RawUpstream, signing_key: SigningKey
) -> None:
    """Otherwise the client would not get the tokens that were issued to it."""

    async def fail(conversation: Conversation) -> None:
        conversation.reset()

    upstream.begin(fail)
    expired = signing_key.sign(access_claims(time.time() - 600))
    answer = send(refreshing, "GET /api/x", f"Authorization: Bearer {expired}", "X-Refresh-Token: good-refresh")
    assert (answer.status, answer.problem["code"]) == (502, "upstream_failed")
    assert answer.get("x-refresh-token") == "successor"
    assert answer.get("x-access-token") is not None
    assert answer.get("cache-control") == "no-store"


def test_a_token_that_is_revoked_during_the_upload_is_refused(
    gateway: RunningGateway, upstream: RawUpstream, signing_key: SigningKey, redis_url: str
) -> None:
    """The pipeline admits a request when its head has come. The upstream gets it when its body is complete."""
    now = int(time.time())
    token = signing_key.sign(access_claims(now, sid="upload-session", jti="upload"))
    head = f"POST /api/ HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\nContent-Length: 4\r\n\r\n"
    with gateway.connect() as client:
        client.send(head.encode() + b"ab")
        assert gateway.wait_for_clients(1)
        with Redis.from_url(redis_url) as redis:
            redis.xadd(STREAM, Revocation(SESSION, "upload-session", now, now + 300).to_fields())
        deadline = time.monotonic() + WAIT
        status = 200
        while status == 200 and time.monotonic() < deadline:  # until this worker has received the revocation
            status = send(gateway, "GET /api/x", f"Authorization: Bearer {token}").status
        client.send(b"cd")
        answer = client.read_response("POST")
    assert (answer.status, answer.problem["code"]) == (401, "token_revoked")
    assert all(request.request_line.startswith("GET") for request in upstream.requests)


def test_a_client_that_disconnects_in_the_queue_leaves_it(
    make_app: MakeApp, upstream: RawUpstream, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Its place in the queue is free for another client."""
    routes = tmp_path_factory.mktemp("routes") / "routes.toml"
    routes.write_text(
        routes_toml(upstream_table("notes"), route_table("/", "public", max_concurrent=1, queue=1, max_wait=9))
    )
    respond = threading.Event()

    async def script(conversation: Conversation) -> None:
        await asyncio.to_thread(respond.wait, WAIT)
        await conversation.write(ok())

    upstream.begin(script)
    request = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
    with (
        running(make_app(GATEWAY_ROUTES=str(routes))) as gateway,
        gateway.connect() as first,
        gateway.connect() as second,
        gateway.connect() as third,
    ):
        first.send(request)
        second.send(request)
        assert gateway.wait_for_clients(3)
        assert third.request("GET / HTTP/1.1", "Host: h").problem["code"] == "route_busy"
        second.close()
        assert gateway.wait_for_at_most(2)
        third.send(request)
        assert gateway.wait_for_clients(2)
        respond.set()
        assert (first.read_response().status, third.read_response().status) == (200, 200)
    assert len(upstream.requests) == 2
