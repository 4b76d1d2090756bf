"""WebSockets through the gateway, between a real client and service: messages, closing, and reasons to close."""

import asyncio
import hashlib
import threading
import time
from contextlib import closing

import pytest
from redis import Redis
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK
from websockets.sync.server import ServerConnection

from contract.revocation import SESSION, STREAM, Revocation
from tests.clocks import ShiftedClock
from tests.gateway.access_tokens import PAST_EXPIRY, SigningKey, access_claims
from tests.gateway.conftest import MakeApp
from tests.gateway.proxy.conftest import CLOSE_TIMEOUT
from tests.gateway.proxy.websockets.websocket_client import (
    accept_handshake,
    open_websocket,
    received_close,
)
from tests.gateway.raw_upstream import WAIT, Conversation, RawUpstream
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.stand_ins.auth_service import AuthStandIn
from tests.gateway.stand_ins.websocket_service import WebSocketService

LARGE = bytes(range(256)) * 4096
"""1 MiB."""


def test_messages_are_relayed_both_ways(websocket_gateway: RunningGateway, authorization: dict[str, str]) -> None:
    with open_websocket(websocket_gateway, authorization) as client:
        for message in ("text", "ü" * 200, b"", b"bytes", LARGE):
            client.send(message)
            assert client.recv(WAIT) == message


def test_fragments_and_pings_are_relayed_unchanged(
    websocket_gateway: RunningGateway, service: WebSocketService, authorization: dict[str, str]
) -> None:
    received: list[list[str | bytes]] = []

    def script(connection: ServerConnection) -> None:
        received.append(list(connection.recv_streaming()))
        connection.ping().wait(WAIT)
        connection.send(["a", "b", "c"])
        connection.recv(WAIT)  # until the client closes: it may still send its ping

    service.begin(script)
    with open_websocket(websocket_gateway, authorization) as client:
        client.send(["1", "2", "3"])
        assert client.ping().wait(WAIT)
        assert list(client.recv_streaming()) == ["a", "b", "c", ""]
    assert received == [["1", "2", "3", ""]]


def test_the_service_is_read_no_faster_than_the_client_reads(
    websocket_gateway: RunningGateway, service: WebSocketService, authorization: dict[str, str]
) -> None:
    """The service sends 32 MiB to a client that does not read at first. It has to wait, and every message arrives."""
    sent = threading.Event()

    def script(connection: ServerConnection) -> None:
        for _ in range(32):
            connection.send(LARGE)
        sent.set()
        connection.recv(WAIT)

    service.begin(script)
    with open_websocket(websocket_gateway, authorization, max_queue=1, compression=None) as client:
        assert not sent.wait(1)
        digests = {hashlib.sha256(client.recv(WAIT, decode=False)).digest() for _ in range(32)}
        assert digests == {hashlib.sha256(LARGE).digest()}
        assert sent.wait(WAIT)


def test_the_close_frame_of_the_client_is_relayed(
    websocket_gateway: RunningGateway, service: WebSocketService, authorization: dict[str, str]
) -> None:
    client = open_websocket(websocket_gateway, authorization)
    client.close(4000, "enough")
    assert service.last_close() == (4000, "enough")
    assert client.close_code == 4000


def test_the_close_frame_of_the_service_is_relayed(
    websocket_gateway: RunningGateway, service: WebSocketService, authorization: dict[str, str]
) -> None:
    service.begin(lambda connection: connection.close(4001, "done"))
    with open_websocket(websocket_gateway, authorization) as client:
        assert received_close(client) == (4001, "done")
    assert service.last_close() == (4001, "done")


def test_a_close_without_a_code_is_relayed(
    websocket_gateway: RunningGateway, service: WebSocketService, authorization: dict[str, str]
) -> None:
    with open_websocket(websocket_gateway, authorization) as client:
        client.close()
        with pytest.raises(ConnectionClosedOK):
            client.recv(WAIT)
    assert service.last_close()[0] == 1000


def test_a_lost_service_closes_the_client_without_a_close_frame(
    websocket_gateway: RunningGateway, service: WebSocketService, authorization: dict[str, str]
) -> None:
    """The client's library reports 1006, so this is no orderly close."""
    service.begin(lambda connection: connection.close_socket())
    with open_websocket(websocket_gateway, authorization) as client, pytest.raises(ConnectionClosedError) as closed:
        client.recv(WAIT)
    assert closed.value.rcvd is None


def test_a_lost_client_closes_the_service_without_a_close_frame(
    websocket_gateway: RunningGateway, service: WebSocketService, authorization: dict[str, str]
) -> None:
    client = open_websocket(websocket_gateway, authorization)
    client.close_socket()
    assert service.last_close()[0] == 1006


def test_a_websocket_is_closed_when_its_token_expires_and_both_sides_get_the_reason(
    websocket_gateway: RunningGateway,
    service: WebSocketService,
    shifted_clock: ShiftedClock,
    authorization: dict[str, str],
) -> None:
    with open_websocket(websocket_gateway, authorization) as client:
        client.send("before")
        assert client.recv(WAIT) == "before"
        shifted_clock.move(PAST_EXPIRY)
        assert received_close(client) == (4401, "token_expired")
    assert service.last_close() == (4401, "token_expired")


def test_a_websocket_is_closed_within_a_second_of_its_revocation(
    websocket_gateway: RunningGateway, signing_key: SigningKey, redis_url: str, shifted_clock: ShiftedClock
) -> None:
    now = shifted_clock()
    token = signing_key.sign(access_claims(now, sid="ws-session", jti="ws"))
    with open_websocket(websocket_gateway, {"Authorization": f"Bearer {token}"}) as client:
        with Redis.from_url(redis_url) as redis:
            redis.xadd(STREAM, Revocation(SESSION, "ws-session", int(now), int(now) + 300).to_fields())
        begun = time.monotonic()
        assert received_close(client) == (4401, "token_revoked")
        assert time.monotonic() - begun < 5  # a second, and a busy machine


def test_the_close_frame_comes_after_the_end_of_the_current_frame(
    raw_gateway: RunningGateway, upstream: RawUpstream, shifted_clock: ShiftedClock, authorization: dict[str, str]
) -> None:
    """The token expires between two halves of a frame: the frame arrives whole, then the Close frame."""
    halfway, go_on = threading.Event(), threading.Event()
    frame = b"\x82\x7f" + len(LARGE).to_bytes(8) + LARGE

    async def script(conversation: Conversation) -> None:
        await accept_handshake(conversation)
        await conversation.write(frame[: len(LARGE) // 2])
        halfway.set()
        await asyncio.to_thread(go_on.wait, WAIT)
        await conversation.write(frame[len(LARGE) // 2 :] + b"\x81\x05after")
        await conversation.wait_for_close()

    upstream.begin(script)
    with open_websocket(raw_gateway, authorization) as client:
        assert halfway.wait(WAIT)
        shifted_clock.move(PAST_EXPIRY)
        threading.Timer(0.3, go_on.set).start()  # the gateway checks its streams in between
        assert client.recv(WAIT) == LARGE
        assert received_close(client) == (4401, "token_expired")
    assert upstream.last.closed.wait(WAIT)


def test_a_side_that_never_ends_its_frame_is_aborted(
    raw_gateway: RunningGateway, upstream: RawUpstream, shifted_clock: ShiftedClock, authorization: dict[str, str]
) -> None:
    """No Close frame can be inserted into a frame. The gateway aborts the connection after CLOSE_TIMEOUT."""

    async def script(conversation: Conversation) -> None:
        await accept_handshake(conversation)
        await conversation.write(b"\x82\x7f" + (100).to_bytes(8) + b"half")
        await conversation.wait_for_close()

    upstream.begin(script)
    with open_websocket(raw_gateway, authorization) as client:
        shifted_clock.move(PAST_EXPIRY)
        begun = time.monotonic()
        with pytest.raises(ConnectionClosedError) as closed:
            client.recv(WAIT)
        assert closed.value.rcvd is None
        assert time.monotonic() - begun > CLOSE_TIMEOUT
    assert upstream.wait_for_open_connections(0)


def test_an_idle_websocket_is_closed(make_app: MakeApp, service: WebSocketService) -> None:
    with (
        running(make_app(RESOURCE_URL=service.url, WEBSOCKET_IDLE="1")) as gateway,
        open_websocket(gateway, path="/open-ws/", ping_interval=None) as client,
    ):
        assert received_close(client) == (1001, "idle")
    assert service.last_close() == (1001, "idle")


def test_a_worker_that_shuts_down_closes_its_websockets(make_app: MakeApp, service: WebSocketService) -> None:
    with (
        running(make_app(RESOURCE_URL=service.url)) as gateway,
        open_websocket(gateway, path="/open-ws/") as client,
    ):
        gateway.server.should_exit = True
        assert received_close(client) == (1012, "draining")


def test_a_websocket_of_a_cookie_outlives_its_token_and_ends_with_the_session(
    session: tuple[RunningGateway, AuthStandIn, str], shifted_clock: ShiftedClock
) -> None:
    gateway, auth, cookie = session
    with open_websocket(gateway, {"Cookie": cookie, "Origin": "https://app.example"}) as client:
        signed_tokens = auth.signed_tokens
        shifted_clock.move(0.9 * auth.lifetime)
        deadline = time.monotonic() + WAIT
        while auth.signed_tokens == signed_tokens and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.2)  # until the gateway has received the renewed token; nothing reports that
        shifted_clock.move(0.5 * auth.lifetime)
        client.send("still")
        assert client.recv(WAIT) == "still"
        auth.handles.clear()
        shifted_clock.move(0.45 * auth.lifetime)
        assert received_close(client) == (4401, "session_ended")


def test_no_connection_is_left_after_fifty_websockets(
    websocket_gateway: RunningGateway, authorization: dict[str, str]
) -> None:
    for _ in range(50):
        with closing(open_websocket(websocket_gateway, authorization)) as client:
            client.send("x")
            assert client.recv(WAIT) == "x"
    deadline = time.monotonic() + WAIT
    while websocket_gateway.server.server_state.connections and time.monotonic() < deadline:
        time.sleep(0.01)  # the end of the last connection may not have arrived
    assert not websocket_gateway.server.server_state.connections
