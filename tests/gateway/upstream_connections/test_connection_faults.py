"""What a fault of an upstream looks like from outside: 502, 503 or 504, or a connection cut off, and never a short
answer that looks whole, nor anybody else's."""

import asyncio
import threading
import time

import pytest
from structlog.testing import capture_logs

from tests.gateway.raw_upstream import (
    WAIT,
    Conversation,
    RawUpstream,
    Script,
    answering,
    closing,
    ok,
    resetting,
    silent,
)
from tests.gateway.running_gateway import RunningGateway
from tests.gateway.single_requests import request_once, status_and_code

TOO_MUCH = 24_000_000
"""Bytes: more than all the buffers between us and an upstream that does not read."""


# --- before the answer -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/gone/", "/nowhere/"])
def test_an_upstream_that_is_not_there_is_a_502(gateway: RunningGateway, target: str) -> None:
    assert status_and_code(request_once(gateway, target)) == (502, "upstream_unreachable")


@pytest.mark.parametrize("script", [resetting, closing])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_upstream_that_breaks_off_is_a_502(
    gateway: RunningGateway, upstream: RawUpstream, script: Script, method: str
) -> None:
    """On a fresh connection: nothing says that the request was not worked on, so it is sent once."""
    upstream.begin(script)
    assert status_and_code(request_once(gateway, method=method)) == (502, "upstream_failed")
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"this is no HTTP\r\n\r\n",
        b"HTTP/1.1 099 Odd\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/3.7 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: minus\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked;x=y\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\nab",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/0.9 200 OK\r\nContent-Length: 2\r\n\r\nab",
        b"RTSP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab",
        b"ICE/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab",
        b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nX: a\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\nX: \x00\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 40_000,
        b"HTTP/1.1 103 Hints\r\n\r\n" * 10_000,
    ],
)
def test_what_is_no_answer_is_a_502(gateway: RunningGateway, upstream: RawUpstream, raw: bytes) -> None:
    upstream.begin(answering(raw, then_close=True))
    assert status_and_code(request_once(gateway)) == (502, "upstream_failed")


def test_the_log_says_what_is_wrong_with_an_answer(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """Once in ten seconds an address, so this asks one that no other test asks."""
    upstream.begin(
        answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", then_close=True)
    )
    with capture_logs() as lines:
        assert status_and_code(request_once(gateway, "/observed/")) == (502, "upstream_failed")
    said = [(line["event"], line["reason"], line.get("detail")) for line in lines if "upstream" in line]
    assert said == [("upstream_failing", "malformed", "Transfer-Encoding: 'gzip, chunked'")]


def test_an_upstream_that_says_nothing_is_a_504(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """R31; and its connection is closed, so that a late answer reaches nobody."""
    upstream.begin(silent)
    begun = time.monotonic()
    assert status_and_code(request_once(gateway, "/impatient/")) == (504, "upstream_timeout")
    assert 0.3 < time.monotonic() - begun < 2
    assert upstream.last.closed.wait(WAIT)


def test_an_upstream_that_dribbles_its_header_is_a_504(gateway: RunningGateway, upstream: RawUpstream) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            await conversation.write(b"X: y\r\n")
            await asyncio.sleep(0.05)

    upstream.begin(script)
    assert status_and_code(request_once(gateway, "/impatient/")) == (504, "upstream_timeout")
    assert status_and_code(request_once(gateway, "/brief/")) == (504, "upstream_timeout")


def test_an_upstream_that_takes_no_more_of_a_body_is_a_504(gateway: RunningGateway, upstream: RawUpstream) -> None:
    async def script(conversation: Conversation) -> None:
        await asyncio.sleep(WAIT)

    upstream.begin(script)
    with gateway.connect() as client:
        client.send(b"POST /impatient/ HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (2 * TOO_MUCH))
        client.send(bytes(TOO_MUCH))
        assert status_and_code(client.answer("POST")) == (504, "upstream_timeout")


def test_a_slow_client_is_not_the_upstreams_silence(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """The upstream's time runs while it is waited for, and not while the client is."""
    with gateway.connect() as client:
        client.send(b"POST /impatient/ HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n")
        for byte in b"slow":
            client.send(bytes([byte]))
            time.sleep(0.15)  # twice the upstream's 0.3 s in all
        assert client.answer("POST").status == 200


def test_a_pause_of_the_upstream_during_an_upload_is_forgiven(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """It took no more for a while, went on in time, and then had to wait for the client."""
    resume = threading.Event()

    async def script(conversation: Conversation) -> None:
        await asyncio.to_thread(resume.wait, WAIT)
        await conversation.read_body()
        await conversation.write(ok())

    upstream.begin(script)
    with gateway.connect() as client:
        client.send(b"POST /impatient/ HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (TOO_MUCH + 1))
        threading.Timer(0.1, resume.set).start()
        client.send(bytes(TOO_MUCH))
        time.sleep(0.6)  # longer than the upstream may be silent, counted from the pause
        client.send(b"x")
        assert client.answer("POST").status == 200


# --- in the middle of it -------------------------------------------------------------------------------------------

BEGUN = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n6\r\nsec",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\nzz\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nfirst",
]


@pytest.mark.parametrize("raw", BEGUN)
def test_an_answer_that_breaks_off_cuts_the_client(
    gateway: RunningGateway, upstream: RawUpstream, raw: bytes
) -> None:
    """A short answer never looks whole. Where no byte of it was handed on, it may be a 502 as well."""
    upstream.begin(answering(raw, then_close=True))
    answer = request_once(gateway)
    assert not answer.whole or answer.status == 502
    assert b"first" not in answer.body or not answer.whole


@pytest.mark.parametrize("raw", [BEGUN[0], BEGUN[1]])
def test_an_answer_that_is_reset_cuts_the_client(gateway: RunningGateway, upstream: RawUpstream, raw: bytes) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.write(raw)
        await asyncio.sleep(0.05)  # so that the reset does not overtake what came before it
        conversation.reset()

    upstream.begin(script)
    answer = request_once(gateway)
    assert (answer.status, answer.body, answer.whole) == (200, b"first", False)


def test_an_answer_cut_off_for_an_http_1_0_client_does_not_look_whole(
    gateway: RunningGateway, upstream: RawUpstream
) -> None:
    """It has nothing but the connection's end to go by, so the connection has to be reset."""

    async def script(conversation: Conversation) -> None:
        await conversation.write(BEGUN[1])
        await asyncio.sleep(0.05)
        conversation.reset()

    upstream.begin(script)
    with gateway.connect() as client:
        client.send(b"GET /public/ HTTP/1.0\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            client.rest()


@pytest.mark.parametrize("target", ["/impatient/", "/brief/"])
def test_an_answer_that_stops_coming_cuts_the_client(
    gateway: RunningGateway, upstream: RawUpstream, target: str
) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.write(BEGUN[0])
        await conversation.wait_for_close()

    upstream.begin(script)
    answer = request_once(gateway, target)
    assert (answer.status, answer.body, answer.whole) == (200, b"first", False)
    assert upstream.last.closed.wait(WAIT)


def test_one_broken_upstream_does_not_hold_the_others_up(gateway: RunningGateway, upstream: RawUpstream) -> None:
    upstream.begin(silent)
    with gateway.connect() as waiting:
        waiting.send(b"GET /public/ HTTP/1.1\r\nHost: h\r\n\r\n")
        begun = time.monotonic()
        assert request_once(gateway, "/auth/").status == 200
        assert time.monotonic() - begun < 1


# --- once more, or not ---------------------------------------------------------------------------------------------


def dying_when_reused(then: Script) -> Script:
    """Answers the first request of every connection by `then`, and hangs up at the second."""
    met: set[int] = set()

    async def script(conversation: Conversation) -> None:
        await conversation.read_body()
        if conversation.request.connection in met:
            conversation.close()
        else:
            met.add(conversation.request.connection)
            await then(conversation)

    return script


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_a_stale_connection_is_replaced_once(gateway: RunningGateway, upstream: RawUpstream, method: str) -> None:
    """R33."""
    upstream.begin(dying_when_reused(answering(ok(b""))))
    assert request_once(gateway).status == 200
    assert request_once(gateway, method=method).status == 200
    assert [request.request_line.split()[0] for request in upstream.requests] == ["GET", method, method]


def test_a_second_failure_is_final(gateway: RunningGateway, upstream: RawUpstream) -> None:
    async def first_only(conversation: Conversation) -> None:
        if len(upstream.requests) == 1:
            await conversation.write(ok())
        else:
            conversation.close()

    upstream.begin(first_only)
    assert request_once(gateway).status == 200
    assert status_and_code(request_once(gateway)) == (502, "upstream_failed")
    assert len(upstream.requests) == 3


@pytest.mark.parametrize(
    ("method", "body"), [("POST", b""), ("PATCH", b""), ("POST", b"ab"), ("PUT", b"ab"), ("GET", b"ab")]
)
def test_what_cannot_be_repeated_is_sent_once(
    gateway: RunningGateway, upstream: RawUpstream, method: str, body: bytes
) -> None:
    """R33: neither what is not idempotent nor what had a body."""
    upstream.begin(dying_when_reused(answering(ok())))
    with gateway.connect() as client:
        assert client.ask("GET /public/ HTTP/1.1", "Host: h").status == 200
        answer = client.ask(f"{method} /public/ HTTP/1.1", "Host: h", f"Content-Length: {len(body)}", body=body)
    assert status_and_code(answer) == (502, "upstream_failed")
    assert len(upstream.requests) == 2


def test_an_answer_that_had_begun_is_not_asked_for_again(gateway: RunningGateway, upstream: RawUpstream) -> None:
    async def begin(conversation: Conversation) -> None:
        await conversation.write(ok() if len(upstream.requests) == 1 else b"HTTP/1.1 2")
        if len(upstream.requests) > 1:
            await asyncio.sleep(0.05)
            conversation.close()

    upstream.begin(begin)
    assert request_once(gateway).status == 200
    assert status_and_code(request_once(gateway)) == (502, "upstream_failed")
    assert len(upstream.requests) == 2


# --- whose answer it is ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "surplus",
    [
        ok(b"not asked for"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nnot ",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"HTTP/1.1 2",
        b"H",
        b"\0garbage",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_answer_that_nobody_asked_for_reaches_nobody(
    gateway: RunningGateway, upstream: RawUpstream, surplus: bytes, method: str
) -> None:
    """Whether all of it has come or only a part, its connection carries no other request."""
    first = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (0 if method == "HEAD" else 2)
    upstream.begin(answering(first + (b"" if method == "HEAD" else b"ok") + surplus))
    with gateway.connect() as client:
        assert client.ask(f"{method} /public/1 HTTP/1.1", "Host: h").status == 200
        upstream.begin_answering(answering(ok(b"mine")))
        answer = client.ask("GET /public/2 HTTP/1.1", "Host: h")
    assert (answer.status, answer.body) == (200, b"mine")
    assert upstream.requests[0].connection != upstream.requests[-1].connection


def test_a_late_surplus_closes_the_idle_connection(gateway: RunningGateway, upstream: RawUpstream) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.write(ok())
        await asyncio.sleep(0.05)  # until the connection idles
        await conversation.write(ok(b"not asked for"))
        await conversation.wait_for_close()

    upstream.begin(script)
    assert request_once(gateway).status == 200
    assert upstream.last.closed.wait(WAIT)
    upstream.begin_answering(answering(ok(b"mine")))
    assert request_once(gateway).body == b"mine"


def test_a_body_to_head_is_not_the_next_answer(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """Some servers send one all the same; its bytes may be somebody's choice."""
    body = ok(b"chosen")
    upstream.begin(answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body))
    with gateway.connect() as client:
        assert client.ask("HEAD /public/ HTTP/1.1", "Host: h").body == b""
        upstream.begin_answering(answering(ok(b"mine")))
        assert client.ask("GET /public/ HTTP/1.1", "Host: h").body == b"mine"
    assert upstream.requests[0].connection != upstream.requests[1].connection


# --- the bound -----------------------------------------------------------------------------------------------------


def test_at_the_connection_bound_it_is_503_at_once(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """R31; and the place is free again when the exchange is over."""
    arrived, go_on = threading.Event(), threading.Event()

    async def script(conversation: Conversation) -> None:
        arrived.set()
        await asyncio.to_thread(go_on.wait, WAIT)
        await conversation.write(ok())

    upstream.begin(script)
    with gateway.connect() as first:
        first.send(b"GET /narrow/ HTTP/1.1\r\nHost: h\r\n\r\n")
        assert arrived.wait(WAIT)
        begun = time.monotonic()
        answer = request_once(gateway, "/narrow/")
        assert time.monotonic() - begun < 1
        assert status_and_code(answer) == (503, "upstream_busy")
        assert answer.get("retry-after") in ("1", "2")
        go_on.set()
        assert first.answer().status == 200
    assert request_once(gateway, "/narrow/").status == 200


@pytest.mark.parametrize(("target", "script"), [("/narrow/", resetting), ("/narrow/", answering(b"garbage"))])
def test_a_broken_exchange_gives_its_place_back(
    gateway: RunningGateway, upstream: RawUpstream, target: str, script: Script
) -> None:
    upstream.begin(script)
    for _ in range(3):
        assert request_once(gateway, target).status == 502
    upstream.begin()
    assert request_once(gateway, target).status == 200
