"""Malformed and ambiguous requests are refused, and their connection is closed; others are forwarded normalized."""

import asyncio
import threading

import pytest

from tests.gateway.conftest import MakeApp
from tests.gateway.raw_upstream import WAIT, Conversation, RawUpstream, ok
from tests.gateway.running_gateway import RunningGateway, running

POST = b"POST /public/a HTTP/1.1\r\nHost: h\r\n"
GET = b"GET /public/a HTTP/1.1\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

AMBIGUOUS = {
    "length and chunks": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    "the same length twice": POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nab",
    "a list of lengths": POST + b"Content-Length: 2, 2\r\n\r\nab",
    "a signed length": POST + b"Content-Length: +2\r\n\r\nab",
    "a negative length": POST + b"Content-Length: -2\r\n\r\nab",
    "a hexadecimal length": POST + b"Content-Length: 0x2\r\n\r\nab",
    "an empty length": POST + b"Content-Length:\r\n\r\nab",
    "a length beyond 64 bits": POST + b"Content-Length: 99999999999999999999\r\n\r\nab",
    "an unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a coding before chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "two codings": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "a vertical tab before the coding": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"POST /public/a HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bare line feeds": b"GET /public/a HTTP/1.1\nHost: h\n\n",
    "one bare line feed": GET + b"Host: h\nX: y\r\n\r\n",
    "a bare carriage return": GET + b"Host: h\r\nX: a\rb\r\n\r\n",
    "a folded line": GET + b"Host: h\r\nX: a\r\n b\r\n\r\n",
    "a folded coding": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a folded first line": GET + b" Host: h\r\n\r\n",
    "two hosts": GET + b"Host: h\r\nHost: h\r\n\r\n",
    "no host": GET + b"\r\n",
    "an empty host": GET + b"Host:\r\n\r\n",
    "a host with a space": GET + b"Host: a b\r\n\r\n",
    "HTTP/0.9": b"GET /public/a\r\n\r\n",
    "HTTP/0.9 with a version": b"GET /public/a HTTP/0.9\r\nHost: h\r\n\r\n",
    "HTTP/1.2": b"GET /public/a HTTP/1.2\r\nHost: h\r\n\r\n",
    "HTTP/2.0": b"GET /public/a HTTP/2.0\r\nHost: h\r\n\r\n",
    "the HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "RTSP": b"OPTIONS /public/a RTSP/1.0\r\nHost: h\r\n\r\n",
    "OPTIONS in HTTP/1.0": b"OPTIONS * HTTP/1.0\r\nHost: h\r\n\r\n",
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "an asterisk": b"GET * HTTP/1.1\r\nHost: h\r\n\r\n",
    "an absolute form without a host": b"GET http:///public/a HTTP/1.1\r\nHost: h\r\n\r\n",
    "an absolute form with a user": b"GET http://u@h/public/a HTTP/1.1\r\nHost: h\r\n\r\n",
    "a relative path": b"GET public/a HTTP/1.1\r\nHost: h\r\n\r\n",
    "a space after a name": GET + b"Host: h\r\nX : a\r\n\r\n",
    "no name": GET + b"Host: h\r\n: a\r\n\r\n",
    "no colon": GET + b"Host: h\r\nX\r\n\r\n",
    "a name beyond ASCII": GET + b"Host: h\r\nX\xe9: a\r\n\r\n",
    "NUL in a name": GET + b"Host: h\r\nX\0: a\r\n\r\n",
    "NUL in a value": GET + b"Host: h\r\nX: a\0b\r\n\r\n",
    "NUL in the path": b"GET /public/a\0b HTTP/1.1\r\nHost: h\r\n\r\n",
    "a vertical tab after the length": POST + b"Content-Length: 2\x0b\r\n\r\nab",
    "a form feed after the length": POST + b"Content-Length: 2\x0c\r\n\r\nab",
    "a no-break space after the length": POST + b"Content-Length: 2\xa0\r\n\r\nab",
    "NUL after the length": POST + b"Content-Length: 2\0\r\n\r\nab",
    "a bare carriage return after the length": POST + b"Content-Length: 2\r \r\n\r\nab",
    "a space within the length": POST + b"Content-Length: 2 2\r\n\r\nab",
    "a form feed after the coding": POST + b"Transfer-Encoding: chunked\x0c\r\n\r\n0\r\n\r\n",
    "a no-break space after the coding": POST + b"Transfer-Encoding: chunked\xa0\r\n\r\n0\r\n\r\n",
    "NUL after the coding": POST + b"Transfer-Encoding: chunked\0\r\n\r\n0\r\n\r\n",
    "a no-break space after the host": GET + b"Host: h\xa0\r\n\r\n",
    "a control character in a value": GET + b"Host: h\r\nX: \x01\r\n\r\n",
    "UTF-8 in the path": "GET /public/é HTTP/1.1\r\nHost: h\r\n\r\n".encode(),
    "UTF-8 in the query": "GET /public/?é HTTP/1.1\r\nHost: h\r\n\r\n".encode(),
    "an unknown method": b"BREW /public/a HTTP/1.1\r\nHost: h\r\n\r\n",
    "a method in lower case": b"get /public/a HTTP/1.1\r\nHost: h\r\n\r\n",
    "a tab for a space": b"GET\t/public/a HTTP/1.1\r\nHost: h\r\n\r\n",
    "a space after the version": b"GET /public/a HTTP/1.1 \r\nHost: h\r\n\r\n",
    "an unknown expectation": POST + b"Expect: 200-ok\r\nContent-Length: 2\r\n\r\nab",
    "a chunk size that is no number": CHUNKED + b"zz\r\nab\r\n0\r\n\r\n",
    "a chunk size of 0x2": CHUNKED + b"0x2\r\nab\r\n0\r\n\r\n",
    "a chunk size beyond 64 bits": CHUNKED + b"fffffffffffffffff\r\nab\r\n0\r\n\r\n",
    "a space after the chunk size": CHUNKED + b"2 \r\nab\r\n0\r\n\r\n",
    "chunks ended by line feeds": CHUNKED + b"2\nab\n0\n\n",
    "a chunk longer than its size": CHUNKED + b"2\r\nabc\r\n0\r\n\r\n",
    "a line feed in a chunk's extension": CHUNKED + b"2;a\nb\r\nab\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("raw", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_an_ambiguous_request_is_refused_and_its_connection_closed(
    gateway: RunningGateway, upstream: RawUpstream, raw: bytes
) -> None:
    with gateway.connect() as client:
        client.send(raw + GET + b"Host: h\r\n\r\n")
        response = client.read_response()
        assert response.status == 400
        assert response.problem["code"] in ("bad_request", "bad_header", "bad_path")
        assert response.get("connection") == "close"
        assert client.is_closed()
    assert all(b"0\r\n\r\n" not in request.body for request in upstream.requests), "a service received a whole body"


LARGE = {
    "a target over 8 KB": (414, b"GET /public/" + b"a" * 8_001 + b" HTTP/1.1\r\nHost: h\r\n\r\n"),
    "a query over 8 KB": (414, b"GET /public/?" + b"a" * 8_001 + b" HTTP/1.1\r\nHost: h\r\n\r\n"),
    "an endless target": (431, b"GET /public/" + b"a" * 150_000),
    "a header of 33 KB": (431, GET + b"Host: h\r\nX: " + b"a" * 33_000 + b"\r\n\r\n"),
    "a header of 64 KB": (431, GET + b"Host: h\r\nX: " + b"a" * 65_536 + b"\r\n\r\n"),
    "an endless header": (431, GET + b"Host: h\r\nX: " + b"a" * 150_000),
    "an endless name": (431, GET + b"Host: h\r\n" + b"a" * 150_000),
    "101 fields": (431, GET + b"Host: h\r\n" + b"X: a\r\n" * 100 + b"\r\n"),
    "endless fields": (431, GET + b"Host: h\r\n" + b"X: a\r\n" * 30_000),
}


@pytest.mark.parametrize(("status", "raw"), LARGE.values(), ids=LARGE)
def test_a_head_that_is_too_large_is_refused_and_its_connection_closed(
    gateway: RunningGateway, upstream: RawUpstream, status: int, raw: bytes
) -> None:
    with gateway.connect() as client:
        client.send(raw)
        response = client.read_response()
        assert response.status == response.problem["status"] == status
        assert client.is_closed()
    assert upstream.requests == []


def test_a_head_at_the_limits_is_accepted(gateway: RunningGateway, upstream: RawUpstream) -> None:
    with gateway.connect() as client:
        assert client.request(f"GET /public/{'a' * 7_992} HTTP/1.1", "Host: h").status == 200
        assert client.request("GET /public/ HTTP/1.1", "Host: h", *["X: y"] * 99).status == 200
        assert client.request("GET /public/ HTTP/1.1", "Host: h", f"X: {'a' * 32_700}").status == 200
        assert client.request("GET /public/ HTTP/1.1", "Host: h", f"Cookie: a={'a' * 9_000}").status == 200
    assert len(upstream.requests) == 4


def test_the_limits_can_be_set(make_app: MakeApp, upstream: RawUpstream) -> None:
    settings = {"MAX_HEADER_FIELDS": "10", "MAX_HEADER_BYTES": "65536", "MAX_TARGET_BYTES": "300"}
    with running(make_app(**settings)) as gateway:
        with gateway.connect() as client:
            assert client.request("GET /public/ HTTP/1.1", "Host: h", f"X: {'a' * 65_000}").status == 200
            assert client.request(f"GET /public/{'a' * 292} HTTP/1.1", "Host: h", *["X: y"] * 9).status == 200
        for lines in (
            ("GET /public/ HTTP/1.1", *["X: y"] * 10),
            ("GET /public/ HTTP/1.1", f"X: {'a' * 65_536}"),
            ("GET /healthz HTTP/1.1", f"X: {'a' * 65_536}"),
            ("GET /public/ HTTP/1.1", f"X: {'a' * 200_000}"),
        ):
            with gateway.connect() as client:
                assert client.request(*lines, "Host: h").problem["code"] == "headers_too_large"
        with gateway.connect() as client:
            assert client.request(f"GET /public/{'a' * 293} HTTP/1.1", "Host: h").problem["code"] == "target_too_long"
    assert len(upstream.requests) == 2


HARMLESS = {
    "empty lines first": b"\r\n\r\n" + GET + b"Host: h\r\n\r\n",
    "a coding in another case": POST + b"Transfer-Encoding: ChunKed\r\n\r\n0\r\n\r\n",
    "a tab before the coding": POST + b"Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n",
    "a chunk's extension": CHUNKED + b"2;a=b\r\nab\r\n0\r\n\r\n",
    "an empty value": GET + b"Host: h\r\nX-Us:\r\ner-Id: root\r\n\r\n",
    "an upgrade without a body": GET + b"Host: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "two spaces before the target": b"GET  /public/a HTTP/1.1\r\nHost: h\r\n\r\n",
    "two spaces before the version": b"GET /public/a  HTTP/1.1\r\nHost: h\r\n\r\n",
    "a bare line feed first": b"\n" + GET + b"Host: h\r\n\r\n",
    "an underscore in a name": GET + b"Host: h\r\nX_User_Id: root\r\n\r\n",
    "a dot in a name": GET + b"Host: h\r\nX.User.Id: root\r\n\r\n",
    "a space after the length": POST + b"Content-Length: 4 \r\n\r\n1\r\n2",
    "tabs around the length": POST + b"Content-Length:\t 4\t \t\r\n\r\n1\r\n2",
    "a space after the coding": POST + b"Transfer-Encoding: chunked  \r\n\r\n0\r\n\r\n",
    "a space after the host": GET + b"Host: h \r\n\r\n",
    "a space after the expectation": POST + b"Expect: 100-continue \r\nContent-Length: 4\r\n\r\n1\r\n2",
    "a space after the connection option": GET + b"Host: h\r\nConnection: keep-alive \r\n\r\n",
    "a space after the forwards": GET + b"Host: h\r\nMax-Forwards: 3 \r\n\r\n",
    "nothing but spaces": GET + b"Host: h\r\nX-Us: \t \r\n\r\n",
}


@pytest.mark.parametrize("raw", HARMLESS.values(), ids=HARMLESS)
def test_an_unambiguous_request_is_forwarded_normalized(
    gateway: RunningGateway, upstream: RawUpstream, raw: bytes
) -> None:
    with gateway.connect() as client:
        client.send(raw)
        assert client.read_response().status == 200
    (request,) = upstream.requests
    assert request.request_line in ("GET /public/a HTTP/1.1", "POST /public/a HTTP/1.1")
    assert {name for name, _ in request.fields} <= {
        *("host", "x-request-id", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "via"),
        *("forwarded", "transfer-encoding", "x-us", "er-id", "content-length", "max-forwards"),
    }
    assert b"\t" not in request.head
    assert b" \r" not in request.head.replace(b"x-us: \r", b"")
    assert request.body in (b"", b"0\r\n\r\n", b"2\r\nab\r\n0\r\n\r\n", b"1\r\n2")


# --- several requests on one connection --------------------------------------------------------------------------


def test_pipelined_requests_are_answered_in_order(gateway: RunningGateway, upstream: RawUpstream) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.read_body()
        target = conversation.request.request_line.split()[1]
        await asyncio.sleep(0.05 if target == "/public/0" else 0)
        await conversation.write(ok(target.encode() + conversation.request.body))

    upstream.begin(script)
    with gateway.connect() as client:
        head = b"POST /public/%d HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n"
        client.send(b"".join(head % number + b"body" for number in range(5)))
        for number in range(5):
            assert client.read_response("POST").body == b"/public/%dbody" % number


@pytest.mark.parametrize(
    ("broken", "statuses"),
    [
        (b"POST /api/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", (400, 401)),
        (b"POST /none HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", (400, 404)),
    ],
)
def test_a_request_that_is_refused_and_malformed_gets_one_response(
    gateway: RunningGateway, broken: bytes, statuses: tuple[int, ...]
) -> None:
    with gateway.connect() as client:
        client.send(broken)
        assert client.read_response().status in statuses
        assert client.is_closed()


def test_malformed_input_after_a_request_does_not_affect_its_response(
    gateway: RunningGateway, upstream: RawUpstream
) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        await asyncio.sleep(0.1)  # meanwhile the malformed input arrives
        await conversation.write(b"later")

    upstream.begin(script)
    with gateway.connect() as client:
        client.send(GET + b"Host: h\r\n\r\n" + b"garbage\r\n\r\n")
        assert client.read_response().body == b"firstlater"
        assert client.read_response().status == 400
        assert client.is_closed()


def test_a_body_that_becomes_malformed_after_the_response_has_started_ends_both(
    gateway: RunningGateway, upstream: RawUpstream
) -> None:
    """The client would read a second status line as a part of the body."""

    async def script(conversation: Conversation) -> None:
        await conversation.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nfirst")
        await conversation.wait_for_close()

    upstream.begin(script)
    with gateway.connect() as client:
        client.send(CHUNKED.replace(b"/public/", b"/conversation/") + b"2\r\nab\r\n")
        head = client.read_interim()
        assert head.startswith(b"HTTP/1.1 200")
        client.send(b"zz\r\n")
        assert client.read_to_end() == b"first"
    assert upstream.last.closed.wait(WAIT)


@pytest.mark.parametrize(
    "endless",
    [b"GET /public/b HTTP/1.1\r\nHost: h\r\nX: ", b"GET /public/", b"\r\n"],
    ids=["header", "target", "empty lines"],
)
def test_input_that_is_read_before_the_response_is_sent_is_bounded(
    gateway: RunningGateway, upstream: RawUpstream, endless: bytes
) -> None:
    """An endless next request does not fill the memory, and the response to the first one is sent."""
    go_on = threading.Event()

    async def script(conversation: Conversation) -> None:
        await asyncio.to_thread(go_on.wait, WAIT)
        await conversation.write(ok())

    upstream.begin(script)
    with gateway.connect() as client:
        client.send(GET + b"Host: h\r\n\r\n" + endless)
        client.socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            client.send((endless if endless == b"\r\n" else b"xx") * 2**24)
        client.socket.settimeout(WAIT)
        go_on.set()
        assert client.read_response().body == b"ok"


@pytest.mark.parametrize("endless", [b"0\r\nX: ", b"2;ext="], ids=["trailer", "extension"])
def test_endless_chunk_framing_is_refused(gateway: RunningGateway, upstream: RawUpstream, endless: bytes) -> None:
    with gateway.connect() as client:
        client.send(CHUNKED + b"2\r\nab\r\n" + endless + b"x" * 1_000_000)
        assert client.read_response("POST").status == 400
        assert client.is_closed()


def test_many_small_trailers_are_refused(gateway: RunningGateway, upstream: RawUpstream) -> None:
    with gateway.connect() as client:
        client.send(CHUNKED + b"2\r\nab\r\n0\r\n" + b"X: y\r\n" * 150_000)
        assert client.read_response("POST").status == 400
        assert client.is_closed()
