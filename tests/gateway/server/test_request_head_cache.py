"""A request with a cached header section, or a response with known lines, has the same effect as a parsed one."""

import asyncio
import socket
import time

import pytest

from gateway.http.request import Request
from gateway.server.request_head_cache import MAX_SECTIONS, MAX_WHOLE_SECTIONS, RequestHeadCache
from tests.clocks import MovableClock
from tests.gateway.access_tokens import SigningKey, access_claims
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import RawClient
from tests.gateway.raw_upstream import Conversation, RawUpstream, Script, answering, ok
from tests.gateway.running_gateway import RunningGateway, running

PUBLIC = b"GET /public/cached?q=1 HTTP/1.1\r\nHost: h\r\nAccept: text/plain\r\n\r\n"
REPETITIONS = 4
"""The first two requests fill the cache, the others are found in it."""


def send(client: RawClient, raw: bytes) -> tuple[int, bytes]:
    client.send(raw)
    response = client.read_response()
    return response.status, response.body


def test_a_repeated_request_is_forwarded_identically(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """Only the request id differs, on the same and on other connections."""
    ids, heads = set(), set()
    for _ in range(2):
        with gateway.connect() as client:
            for _ in range(REPETITIONS):
                client.send(PUBLIC)
                response = client.read_response()
                assert (response.status, response.body) == (200, b"ok")
                ids.add(response.get("x-request-id"))
    for request in upstream.requests:
        ids.discard(request.get("x-request-id"))
        heads.add(tuple(field for field in request.fields if field[0] != "x-request-id"))
        assert request.request_line == "GET /public/cached?q=1 HTTP/1.1"
    assert (len(upstream.requests), len(heads), ids) == (2 * REPETITIONS, 1, set())


def test_a_cached_request_may_arrive_in_parts_or_pipelined(gateway: RunningGateway, upstream: RawUpstream) -> None:
    with gateway.connect() as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for cut in range(1, len(PUBLIC), 7):
            assert send(client, PUBLIC) == (200, b"ok")
            client.send(PUBLIC[:cut])
            time.sleep(0.002)  # so that they probably arrive in two packets
            assert send(client, PUBLIC[cut:]) == (200, b"ok")
        sent = len(upstream.requests)
        client.send(PUBLIC * 3)
        client.send(PUBLIC)
        assert [client.read_response().status for _ in range(4)] == [200] * 4
    assert len(upstream.requests) == sent + 4


@pytest.mark.parametrize("framing", [b"Content-Length: %d", b"Transfer-Encoding: chunked"], ids=["length", "chunked"])
def test_a_body_with_the_bytes_of_a_cached_request_is_a_body(
    gateway: RunningGateway, upstream: RawUpstream, framing: bytes
) -> None:
    with gateway.connect() as client:
        for _ in range(REPETITIONS):
            assert send(client, PUBLIC) == (200, b"ok")
        sent = len(upstream.requests)
        is_chunked = b"%d" not in framing
        length = framing if is_chunked else framing % len(PUBLIC)
        client.send(b"POST /public/ HTTP/1.1\r\nHost: h\r\n" + length + b"\r\n\r\n")
        if is_chunked:
            client.send(b"%x\r\n" % len(PUBLIC))
        time.sleep(0.02)
        client.send(PUBLIC)
        if is_chunked:
            client.send(b"\r\n0\r\n\r\n")
        assert client.read_response().status == 200
        assert send(client, PUBLIC) == (200, b"ok")
    assert [request.request_line for request in upstream.requests[sent:]] == [
        "POST /public/ HTTP/1.1",
        "GET /public/cached?q=1 HTTP/1.1",
    ]
    assert upstream.requests[sent].content() == PUBLIC


def test_a_header_that_ends_with_a_cached_request_is_a_header(gateway: RunningGateway, upstream: RawUpstream) -> None:
    with gateway.connect() as client:
        for _ in range(REPETITIONS):
            assert send(client, PUBLIC) == (200, b"ok")
        client.send(b"GET /public/other HTTP/1.1\r\nHost: h\r\nX-Note: ")
        time.sleep(0.02)
        client.send(PUBLIC)
        assert client.read_response().status == 400  # it has two Host fields
        sent = len(upstream.requests)
    assert sent == REPETITIONS


def test_a_cached_request_is_refused_when_its_token_has_expired(
    make_app: MakeApp, clock: MovableClock, signing_key: SigningKey, upstream: RawUpstream
) -> None:
    """The token is verified for each request, on the same and on other connections."""
    token = signing_key.sign(access_claims(clock(), exp=int(clock()) + 60))
    raw = f"GET /api/cached HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    with running(make_app(clock=clock)) as gateway:
        for _ in range(REPETITIONS):
            with gateway.connect() as client:
                assert [send(client, raw) for _ in range(REPETITIONS)] == [(200, b"ok")] * REPETITIONS
        clock.move(90)
        for _ in range(REPETITIONS):
            with gateway.connect() as client:
                for _ in range(REPETITIONS):
                    client.send(raw)
                    assert client.read_response().problem["code"] == "token_expired"
    assert len(upstream.requests) == REPETITIONS**2


WHOLE = ok(b"the body", "Content-Type: text/plain", "Set-Cookie: a=b", "Server: s")


def in_pieces(raw: bytes) -> Script:
    """Respond with `raw`, and send its last bytes later."""

    async def script(conversation: Conversation) -> None:
        await conversation.read_body()
        await conversation.write(raw[:-3])
        await asyncio.sleep(0.01)
        await conversation.write(raw[-3:])

    return script


@pytest.mark.parametrize(
    ("method", "script"),
    [
        ("GET", answering(WHOLE)),
        ("GET", in_pieces(WHOLE)),
        ("GET", answering(b"HTTP/1.1 103 Early Hints\r\n\r\n" + WHOLE)),
        ("GET", answering(WHOLE, then_close=True)),
        ("HEAD", answering(WHOLE.removesuffix(b"the body"))),
        ("HEAD", answering(WHOLE)),
        ("GET", answering(WHOLE + b"HTTP/1.1 200 OK\r\n")),
    ],
    ids=["whole", "in pieces", "after an interim one", "the last one", "head alone", "HEAD with a body", "and more"],
)
def test_a_response_with_a_cached_head_reaches_the_client_like_a_parsed_one(
    gateway: RunningGateway, upstream: RawUpstream, method: str, script: Script
) -> None:
    """An interim response before it and surplus bytes after it do not change it."""
    with gateway.connect() as client:
        for turn in range(2 * REPETITIONS):
            upstream.begin(script if turn % 2 else answering(WHOLE))
            method_now = method if turn % 2 else "GET"
            client.send(f"{method_now} /public/{turn} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
            response = client.read_response(method_now)
            assert (response.status, response.is_complete) == (200, True)
            assert response.body == (b"" if method_now == "HEAD" else b"the body")
            assert (response.get("content-type"), response.get("content-length")) == ("text/plain", "8")
            assert (response.get("set-cookie"), response.get("server")) == (None, None)


def test_an_incomplete_response_with_a_cached_head_stays_incomplete(
    gateway: RunningGateway, upstream: RawUpstream
) -> None:
    for turn in range(2 * REPETITIONS):
        upstream.begin(answering(WHOLE[:-1] if turn % 2 else WHOLE, then_close=bool(turn % 2)))
        with gateway.connect() as client:
            client.send(PUBLIC)
            assert client.read_response().is_complete is not bool(turn % 2)


def test_the_cache_is_bounded() -> None:
    sections = RequestHeadCache()
    request = Request("1", "GET", b"/", b"", [], "1.1", "192.0.2.1", "http", None)
    for number in range(3 * MAX_SECTIONS):
        section = b"\r\nX: %d\r\n\r\n" % number
        for _ in range(2):
            sections.add_if_repeated(section, request)
        for _ in range(2):
            assert sections.find_fields(section) is not None
    assert len(sections) <= MAX_SECTIONS + MAX_WHOLE_SECTIONS


def test_the_cache_keeps_access_tokens_but_no_cookies_and_no_refresh_tokens() -> None:
    """Fields that were kept are returned as the same object."""
    cache = RequestHeadCache()

    def is_kept(*fields: tuple[bytes, bytes]) -> bool:
        headers = [(name.lower(), value) for name, value in fields]
        request = Request("1", "GET", b"/", b"", headers, "1.1", "192.0.2.1", "http", None)
        section = b"\r\n%b\r\n" % b"".join(b"%b: %b\r\n" % field for field in fields)
        for _ in range(2):
            cache.add_if_repeated(section, request)
        found = [cache.find_fields(section) for _ in range(3)]
        assert all(known is not None and known.headers == headers for known in found)
        return found[1] is found[2]

    token = (b"Authorization", b"Bearer abc")
    assert is_kept(token)
    assert is_kept((b"Accept", b"*/*"))
    assert not is_kept(token, (b"Cookie", b"a=b"))
    assert not is_kept(token, (b"X-Refresh-Token", b"def"))


# --- other targets and bodies ------------------------------------------------------------------------------------


def test_each_request_is_forwarded_with_its_own_target(gateway: RunningGateway, upstream: RawUpstream) -> None:
    targets = [f"/public/{number}?q={number}" for number in range(REPETITIONS)] + [
        "/public/?",
        "/public/%C3%A9",
        "/public/",
    ]
    with gateway.connect() as client:
        for target in targets:
            raw = PUBLIC.replace(b"/public/cached?q=1", target.encode())
            assert send(client, raw) == (200, b"ok")
    received = [request.request_line for request in upstream.requests]
    assert received == [f"GET {target.removesuffix('?')} HTTP/1.1" for target in targets]


@pytest.mark.parametrize(
    "line",
    [
        *("GET /public/a b HTTP/1.1", "GET /public/ HTTP/1.1 ", "GET /public/ HTTP/1.2"),
        *("get /public/ HTTP/1.1", "GET public/ HTTP/1.1", "GET /public/\x7f HTTP/1.1", "GET /public/é HTTP/1.1"),
        *(
            "GET /public/#a HTTP/1.1",
            "GET /public/\n HTTP/1.1",
            "GET /public/../x HTTP/1.1",
            "TRACE /public/ HTTP/1.1",
        ),
        *(
            "GET /public/?\x00 HTTP/1.1",
            "GET /public/?a#b HTTP/1.1",
            "GET /public/%2e HTTP/1.1",
            "GET /public// HTTP/1.1",
        ),
    ],
)
def test_a_malformed_request_line_is_refused_as_without_a_cache(
    gateway: RunningGateway, upstream: RawUpstream, line: str
) -> None:
    """The status is that of the same request line with a header section that is not cached."""
    raw = line.encode("latin-1") + PUBLIC[PUBLIC.index(b"\r\n") :]
    with gateway.connect() as client:
        at_first = send(client, raw.replace(b"Host: h", b"Host: other"))
        assert at_first[0] >= 400
    with gateway.connect() as client:
        for _ in range(REPETITIONS):
            assert send(client, PUBLIC) == (200, b"ok")
        assert send(client, raw)[0] == at_first[0]
    assert {request.request_line for request in upstream.requests} == {"GET /public/cached?q=1 HTTP/1.1"}


@pytest.mark.parametrize("name", ["Content-Length", "content-length"])
def test_each_request_is_forwarded_with_its_own_body(
    gateway: RunningGateway, upstream: RawUpstream, name: str
) -> None:
    """Bodies of several lengths; the last two requests are sent at once, so that the second has to wait."""
    bodies = [b"x" * length for length in (3, 3, 3, 12, 1, 200, 3)]

    def post(body: bytes) -> bytes:
        return b"POST /public/ HTTP/1.1\r\nHost: h\r\n%b: %d\r\n\r\n%b" % (name.encode(), len(body), body)

    with gateway.connect() as client:
        for body in bodies:
            assert send(client, post(body)) == (200, b"ok")
        client.send(post(b"first") + post(b"second"))
        assert [client.read_response().status for _ in range(2)] == [200, 200]
    assert [request.content() for request in upstream.requests] == [*bodies, b"first", b"second"]


def test_a_body_that_arrives_after_its_head_is_forwarded(gateway: RunningGateway, upstream: RawUpstream) -> None:
    head = b"POST /public/ HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n"
    with gateway.connect() as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(REPETITIONS):
            assert send(client, head + b"body") == (200, b"ok")
        client.send(head + b"bo")
        time.sleep(0.002)  # so that they probably arrive in two packets
        assert send(client, b"dy") == (200, b"ok")
    assert [request.content() for request in upstream.requests] == [b"body"] * (REPETITIONS + 1)


def test_a_part_of_a_body_is_not_the_whole_body(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """The first part ends as many bytes after the head as it lacks to the length of the body."""
    head = b"POST /public/ HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"
    length = len(head % 10) + 2
    body = b"x" * length
    raw, cut = head % length + body, length - 1
    with gateway.connect() as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(REPETITIONS):
            assert send(client, raw) == (200, b"ok")
        client.send(raw[:cut])
        time.sleep(0.02)  # so that they probably arrive in two packets
        assert send(client, raw[cut:]) == (200, b"ok")
        assert send(client, PUBLIC) == (200, b"ok")
    assert [request.content() for request in upstream.requests] == [body] * (REPETITIONS + 1) + [b""]


def test_a_cached_request_with_too_large_a_body_is_refused(gateway: RunningGateway) -> None:
    head = b"POST /public/ HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"
    with gateway.connect() as client:
        for _ in range(REPETITIONS):
            assert send(client, head % 1 + b"x")[0] == 200
        client.send(head % 10**12)
        assert client.read_response().status == 413


# --- fields whose values are new in each request -----------------------------------------------------------------

TRACE = "00-{0:032x}-{0:016x}-01"
CONDITIONAL = [
    ('If-None-Match: "{}"', "Accept: */*", 'X-If-None-Match: "{}"'),
    ("Accept: */*", 'if-none-match: W/"{}"'),
    ('If-None-Match: "{}"', "Connection: if-none-match"),
    ('If-None-Match: "{}"', 'If-None-Match: "{}"'),
    ('If-None-Match:"{}"', "Accept: a"),
    ('If-None-Match: "{}', "Accept: b"),
]


@pytest.mark.parametrize("lines", CONDITIONAL, ids=str)
def test_each_request_is_forwarded_with_its_own_condition(
    gateway: RunningGateway, upstream: RawUpstream, lines: tuple[str, ...]
) -> None:
    """Each request has a new path and a new value. All are forwarded as the first one, which is parsed."""
    heads = []
    with gateway.connect() as client:
        for number in range(REPETITIONS):
            fields = [line.format(number) for line in lines]
            client.request(f"GET /public/{number} HTTP/1.1", "Host: h", *fields)
            kept = [field for field in upstream.last.fields if field[0] not in ("x-request-id", "forwarded")]
            heads.append([(name, value.replace(str(number), "N")) for name, value in kept if "match" in name])
    assert heads == [heads[0]] * REPETITIONS
    names = [line.partition(":")[0].lower() for line in lines]
    expected = [name for name in names if "match" in name] if "connection" not in names else []
    assert [name for name, _ in heads[0]] == expected


@pytest.mark.parametrize("value", [TRACE, TRACE.replace("-01", "-0A"), TRACE + "-x", "00-{0}", "00-{0:032x}"])
def test_each_request_is_forwarded_with_its_own_traceparent(
    gateway: RunningGateway, upstream: RawUpstream, value: str
) -> None:
    """A malformed one is not forwarded."""
    with gateway.connect() as client:
        for number in range(1, REPETITIONS + 1):
            trace = value.format(number)
            client.request(f"GET /public/{number} HTTP/1.1", "Host: h", f"traceparent: {trace}")
            assert upstream.last.get("traceparent") == (trace if value == TRACE else None)
