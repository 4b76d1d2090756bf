"""No request smuggling: a service receives only requests that a strict parser finds in the client's bytes.

The strict parser is h11. `make test` sends a part of each family, `make test-faults` all of some ten thousand cases.
"""

import asyncio
import os
import re
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

import h11
import pytest

from tests.gateway.raw_upstream import Conversation, RawUpstream, ok
from tests.gateway.running_gateway import RunningGateway
from tests.gateway.smuggling.cases import CANARY, NUMBER, Case, families

FAMILIES = families()
SAMPLE = 60
"""Number of cases of each family in `make test`."""
AT_ONCE = 40
"""Number of cases that are sent concurrently."""
QUIET = 0.3
"""Seconds without a byte after which the response counts as complete: the gateway may wait for more of a body."""

_CACHED = b"GET /public/warm HTTP/1.1\r\nHost: h\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")
_NUMBERED = re.compile(r"/public/(\d{5})")


class ParsedRequest(NamedTuple):
    """A request as a parser reads it; `body` is None if it is incomplete."""

    method: str
    target: str
    body: bytes | None


class Recorder:
    """An upstream's script that records the received requests by the number of the case."""

    def __init__(self) -> None:
        self.received: dict[int, list[ParsedRequest]] = defaultdict(list)

    async def __call__(self, conversation: Conversation) -> None:
        """Record the request, and respond when it is complete."""
        method, target, _ = conversation.request.request_line.split(" ")
        match = _NUMBERED.search(target)
        requests = self.received[int(match[1])] if match else []
        requests.append(ParsedRequest(method, target, None))
        index = len(requests) - 1
        await conversation.read_body()
        requests[index] = ParsedRequest(method, target, conversation.request.content())
        await conversation.write(ok(b"" if method == "HEAD" else b"ok"))


def strictly_parsed(raw: bytes) -> list[ParsedRequest]:
    """Return the requests in `raw` up to the first error. Empty lines before a request are ignored (RFC 9112 2.2)."""
    found: list[ParsedRequest] = []
    while raw := raw.lstrip(b"\r\n"):
        parser = h11.Connection(h11.SERVER, max_incomplete_event_size=2**17)
        parser.receive_data(raw)
        try:
            found += _parsed_request(parser)
        except h11.RemoteProtocolError:
            break
        if parser.their_state in (h11.IDLE, h11.SEND_BODY, h11.MUST_CLOSE, h11.ERROR):
            break
        raw = parser.trailing_data[0]
    return found


def _parsed_request(parser: h11.Connection) -> list[ParsedRequest]:
    request = parser.next_event()
    if not isinstance(request, h11.Request):
        return []
    target = re.sub(r"^http://[^/]*", "", request.target.decode("latin-1"))
    received = ParsedRequest(request.method.decode(), target, None)
    body = b""
    with suppress(h11.RemoteProtocolError):
        while isinstance(event := parser.next_event(), h11.Data):
            body += bytes(event.data)
        if isinstance(event, h11.EndOfMessage):
            return [received._replace(body=body)]
    return [received]


async def send_case(port: int, number: int, raw: bytes) -> list[int]:
    """Return the statuses for `raw`. Odd cases send it in two parts, every third one after a cached request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        if number % 3 == 0:
            writer.write(_CACHED)
            await reader.readuntil(b"ok")
        half = number * 7_919 % len(raw) if number % 2 else 0
        writer.write(raw[:half])
        await asyncio.sleep(0.002 if half else 0)
        writer.write(raw[half:])
        responses = b""
        async with asyncio.timeout(QUIET) as quiet:
            while data := await reader.read(65_536):
                responses += data
                quiet.reschedule(asyncio.get_running_loop().time() + QUIET)
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writer.close()
    return [int(status) for status in _STATUS.findall(responses)]


async def send_cases(port: int, cases: Iterable[tuple[int, bytes]]) -> dict[int, list[int]]:
    """Return the statuses of each case; AT_ONCE cases run at once."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, raw: bytes) -> tuple[int, list[int]]:
        async with limit:
            return number, await send_case(port, number, raw)

    return dict(await asyncio.gather(*(one(number, raw) for number, raw in cases)))


def describe_failure(received: list[ParsedRequest], strict: list[ParsedRequest], statuses: list[int]) -> str:
    """Return a description of the wrong outcome of a case; empty if the outcome is right."""
    if any(status >= 500 for status in statuses):
        return f"the statuses are {statuses}"
    # Requests that the gateway refuses do not reach the upstream; the others reach it in their order.
    left = iter(strict)
    for request in received:
        if not any(request[:2] == other[:2] and request.body in (None, other.body) for other in left):
            return f"the upstream received {request}, which the client did not send"
    return ""


@pytest.mark.parametrize("family", FAMILIES)
def test_a_service_receives_only_requests_that_the_strict_parser_finds(
    gateway: RunningGateway, upstream: RawUpstream, family: str
) -> None:
    cases = chosen(FAMILIES[family])
    raws = {
        number: (case.raw + f"GET {CANARY} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode()).replace(
            NUMBER.encode(), b"%05d" % number
        )
        for number, case in enumerate(cases)
    }
    recorder = Recorder()
    upstream.begin(recorder)
    statuses = asyncio.run(send_cases(gateway.port, raws.items()))
    upstream.drop_connections()
    failures = {
        cases[number].name: wrong
        for number, raw in raws.items()
        if (wrong := describe_failure(recorder.received[number], strictly_parsed(raw), statuses[number]))
    }
    assert failures == {}
    assert sum(map(len, statuses.values())) >= len(cases) // 2, "too few cases got a response"


def test_the_strict_parser_and_the_recorder_find_well_formed_requests(
    gateway: RunningGateway, upstream: RawUpstream
) -> None:
    """This checks the strict parser, the recorder and describe_failure."""
    raw = (
        b"POST /public/00000 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        b"GET /public/00000/canary HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    )
    upstream.begin(recorder := Recorder())
    assert asyncio.run(send_cases(gateway.port, [(0, raw)])) == {0: [200, 200]}
    sent = [ParsedRequest("POST", "/public/00000", b"hello"), ParsedRequest("GET", "/public/00000/canary", b"")]
    assert recorder.received[0] == strictly_parsed(raw) == sent
    assert (
        describe_failure([sent[1], sent[0]], sent, [200])
        == f"the upstream received {sent[0]}, which the client did not send"
    )
    assert describe_failure(sent, sent[:1], [200])
    assert describe_failure([], sent, [502])


def chosen(cases: list[Case]) -> list[Case]:
    """Return all cases, or an even sample of them."""
    if os.environ.get("SALLYPORT_FAULTS"):
        return cases
    return cases[:: max(1, len(cases) // SAMPLE)]
