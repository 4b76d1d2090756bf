"""The generated cases. Seed and number determine a case."""

import random
from dataclasses import dataclass, replace
from itertools import pairwise

from tests.gateway.cold_and_warm.requests import DrawnRequest, odd, plain_request, variant
from tests.gateway.cold_and_warm.responses import (
    DrawnResponse,
    odd_response,
    plain_response,
    response_variant,
    with_session_change,
)
from tests.gateway.cold_and_warm.services import Response


@dataclass(frozen=True, slots=True)
class Message:
    """What one client sends, in pieces, and the responses of the service to the requests that reach it, in order."""

    pieces: tuple[bytes, ...]
    responses: tuple[Response, ...]
    ends_at_rest: bool = True
    """Whether the next request on the connection is certainly read from its first byte."""


@dataclass(frozen=True, slots=True)
class Case:
    """A message, and similar ones that the gateway handles between the message's first play and its next ones."""

    message: Message
    neighbours: tuple[Message, ...]
    upstream_is_open: bool = True
    """Whether the gateway has an idle connection to each service when the message is played."""


def draw_case(seed: int, number: int) -> Case:
    """Return the case `number` of `seed`."""
    draw = random.Random(f"{seed}/{number}")
    request, response = plain_request(draw), plain_response(draw)
    cut = 0
    if draw.random() < 0.04:
        request, cut = _with_long_body(draw, request)
    neighbours = tuple(
        _message(draw, [request if draw.random() < 0.4 else variant(draw, request)], response, is_plain=True)
        for _ in range(draw.choice((2, 3, 3, 4)))
    )
    focus = draw.random()  # a request that is refused says nothing about the response
    similar = draw.choice((request, variant(draw, request)))
    played = [odd(draw, similar) if focus < 0.5 else similar]
    if draw.random() < 0.06:
        played.insert(draw.randrange(2), request)
    message = _message(draw, played, response, is_plain=False, is_response_odd=focus > 0.42)
    if draw.random() < 0.1:
        message = replace(message, pieces=_with_whole_request(draw, request), ends_at_rest=False)
    if cut:
        message = replace(message, pieces=(request.raw[:cut], request.raw[cut:]), ends_at_rest=True)
    return Case(message, neighbours, draw.random() < 0.85)


def _with_long_body(draw: random.Random, request: DrawnRequest) -> tuple[DrawnRequest, int]:
    """Return `request` with another body, and an index in it.

    At the index, the head and a part of the body have arrived, which are as many bytes short of Content-Length as the
    part is long.
    """
    request = replace(request, method=b"POST", framing="length", body=b"x" * 100)
    head_bytes, part = len(request.raw) - len(request.body), draw.choice((1, 2, 5, 30))
    return replace(request, body=b"x" * max(100, head_bytes + 2 * part)), head_bytes + part


def _with_whole_request(draw: random.Random, request: DrawnRequest) -> tuple[bytes, ...]:
    """Return pieces of which one has the bytes of a request that the gateway recognizes, but is something else.

    It is a body, the rest of a head, or a request that arrives while another one is answered.
    """
    raw = request.raw
    chunked = b"POST /public/ HTTP/1.1\r\nHost: h.example\r\nTransfer-Encoding: chunked\r\n\r\n"
    return draw.choice(
        (
            (raw, raw),
            (raw, raw, raw),
            (b"POST /public/ HTTP/1.1\r\nHost: h.example\r\nContent-Length: %d\r\n\r\n" % len(raw), raw),
            (chunked + b"%x\r\n" % len(raw), raw, b"\r\n0\r\n\r\n"),
            (b"GET /public/other HTTP/1.1\r\nX-Note: ", raw),
            (raw[:-2], raw),
            (raw + b"GET /public/other HTTP/1.1\r\nHost: ", raw),
        )
    )


def _message(
    draw: random.Random,
    requests: list[DrawnRequest],
    response: DrawnResponse,
    *,
    is_plain: bool,
    is_response_odd: bool = False,
) -> Message:
    responses: list[Response] = []
    for request in requests:
        drawn = response_variant(draw, response)
        for _ in range(draw.choice((1, 1, 2)) if is_response_odd else 0):
            drawn = odd_response(draw, drawn)
        # Not with a live session: the gateway would know in the next play of the message that it has ended.
        if not is_plain and request.target.startswith(b"/auth/") and b"session=" not in request.raw:
            drawn = with_session_change(draw, drawn)
        # The client of a case may use another method than HEAD; then a response to HEAD has no body and is short.
        is_short = drawn.is_short or request.method == b"HEAD"
        pieces = _pieces(draw, drawn.raw(request.method), is_plain=is_plain)
        responses.append(Response(pieces, drawn.closes, is_short))
    raw = b"".join(request.raw for request in requests)
    at_rest = all(request.ends_at_rest for request in requests)
    return Message(_pieces(draw, raw, is_plain=is_plain), tuple(responses), at_rest)


def _pieces(draw: random.Random, raw: bytes, *, is_plain: bool) -> tuple[bytes, ...]:
    """Return `raw`, mostly in one piece; sometimes cut at its start, around the end of the head, or anywhere."""
    if not raw or draw.random() < (0.98 if is_plain else 0.8):
        return (raw,)
    head_end = raw.find(b"\r\n\r\n")
    near = (head_end + shift for shift in (0, 1, 2, 3, 4, 5))
    places = [place for place in (1, *near, len(raw) - 1) if 0 < place < len(raw)]
    cuts = {draw.choice(places) if places and draw.random() < 0.6 else draw.randrange(len(raw)) for _ in range(2)}
    edges = [0, *sorted(cuts), len(raw)]
    return tuple(raw[start:end] for start, end in pairwise(edges) if end > start)
