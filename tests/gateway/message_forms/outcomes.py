"""Send message forms to a proxy, and describe each result in one line."""

import asyncio
import re
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress

from tests.gateway.message_forms.forms import NUMBER, ResponseForm
from tests.gateway.raw_upstream import Conversation, RawUpstream, ok

AT_ONCE = 40
"""Number of forms that are sent concurrently."""
QUIET = 0.3
"""Seconds without a byte after which nothing more is expected."""

Outcomes = dict[str, str]
"""The result of each form, in one line, by the name of the form."""

_NUMBERED = re.compile(r"/public/(\d{5})|\?(\d{5})")
# An interim response: 1xx, but not 101, which is final.
_INTERIM = re.compile(rb"HTTP/1\.1 1(?!01)\d\d [^\r]*\r\n(?:[^\r]+\r\n)*\r\n")
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked\r\n", re.IGNORECASE)
_CHUNK = re.compile(rb"([0-9a-fA-F]+)\r\n")


def request_outcomes(port: int, upstream: RawUpstream, forms: Mapping[str, bytes]) -> Outcomes:
    """Return for each form the statuses of the responses and, after `->`, the request that the upstream received."""
    seen: dict[int, list[str]] = defaultdict(list)
    upstream_address = f"127.0.0.1:{upstream.port}"

    async def script(conversation: Conversation) -> None:
        number = _number(conversation.request.request_line)
        seen[number].append(f"{_describe_request(conversation, upstream_address)} unfinished")
        index = len(seen[number]) - 1
        await conversation.read_body()
        seen[number][index] = _describe_request(conversation, upstream_address)
        await conversation.write(ok(b"" if conversation.request.request_line.startswith("HEAD") else b"ok"))

    upstream.begin(script)
    raws = {name: raw.replace(NUMBER, b"%05d" % number) for number, (name, raw) in enumerate(forms.items())}
    responses = asyncio.run(_send_all(port, raws))
    upstream.drop_connections()
    return {
        name: " -> ".join([_statuses(responses[name]), *seen[number]]).replace(f"{number:05d}", "N")
        for number, name in enumerate(forms)
    }


def response_outcomes(port: int, upstream: RawUpstream, forms: Mapping[str, ResponseForm]) -> Outcomes:
    """Return for each form of a response the status and body that the client received, and whether it is cut off."""
    by_number = list(forms.values())

    async def script(conversation: Conversation) -> None:
        form = by_number[_number(conversation.request.request_line)]
        await conversation.write(form.raw)
        if form.closes:
            conversation.close()

    upstream.begin(script)
    raws = {
        name: f"{form.method} /public/{number:05d} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
        for number, (name, form) in enumerate(forms.items())
    }
    responses = asyncio.run(_send_all(port, raws))
    upstream.drop_connections()
    return {name: _describe_response(responses[name], form.method) for name, form in forms.items()}


async def _send_all(port: int, raws: Mapping[str, bytes]) -> dict[str, bytes]:
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(name: str, raw: bytes) -> tuple[str, bytes]:
        async with limit:
            return name, await _send(port, raw)

    return dict(await asyncio.gather(*(one(name, raw) for name, raw in raws.items())))


async def _send(port: int, raw: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    responses = b""
    with suppress(TimeoutError, ConnectionError):
        writer.write(raw)
        async with asyncio.timeout(QUIET) as quiet:
            while data := await reader.read(65_536):
                responses += data
                quiet.reschedule(asyncio.get_running_loop().time() + QUIET)
    writer.close()
    return responses


def _number(request_line: str) -> int:
    found = _NUMBERED.search(request_line)
    return int(found[1] or found[2]) if found else -1


def _describe_request(conversation: Conversation, upstream_address: str) -> str:
    request = conversation.request
    method_and_target = request.request_line.rpartition(" ")[0]
    try:
        body = request.content()
    except (ValueError, IndexError):
        body = request.body
    # HTTP/1.0 does not require Host; some proxies then send the upstream's own address.
    host = ", ".join(value for name, value in request.fields if name == "host").replace(upstream_address, "upstream")
    return ascii(f"{method_and_target} of {host}" + (f" with {body.decode('latin-1')}" if body else ""))[1:-1]


def _statuses(responses: bytes) -> str:
    final = [status.decode() for status in _STATUS.findall(_INTERIM.sub(b"", responses))]
    return " ".join(final) or "nothing"


def _describe_response(response: bytes, method: str) -> str:
    response = _INTERIM.sub(b"", response)
    head, end, body = response.partition(b"\r\n\r\n")
    status = _STATUS.match(head)
    if not status or not end:
        return "nothing" if not response else f"raw {response[:40].decode('latin-1')!a}"
    code = status[1].decode()
    if code[0] in "45":
        return code
    head += b"\r\n"
    if method == "HEAD" or code in ("204", "304"):
        return f"{code} and {body.decode('latin-1')!a}" if body else code
    length = _LENGTH.search(head)
    is_complete = True
    if _CHUNKED.search(head):
        body, is_complete = _dechunked(body)
    elif length:
        is_complete = len(body) == int(length[1])
    return f"{code} {body.decode('latin-1')!a}" + ("" if is_complete else " cut off")


def _dechunked(body: bytes) -> tuple[bytes, bool]:
    content = b""
    while (size := _CHUNK.match(body)) is not None:
        length = int(size[1], 16)
        content += body[size.end() : size.end() + length]
        body = body[size.end() + length + 2 :]
        if length == 0:
            return content, True
    return content, False
