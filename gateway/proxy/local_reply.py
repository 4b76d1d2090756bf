"""Responses that the gateway sends itself, without an upstream or an endpoint."""

from typing import NamedTuple

from contract.problems import PROBLEM_JSON, Refused
from gateway.pipeline.login_redirect import BrowserRefusal
from gateway.server.request_cycle import RequestCycle

_CLOSING_CODES = frozenset({"bad_request", "bad_path", "bad_header", "headers_too_large", "target_too_long"})
"""The connection is closed after these: client and gateway may disagree about where the next request begins."""


class LocalReply(NamedTuple):
    """A complete response: status, header fields and body."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""

    async def send(self, cycle: RequestCycle) -> int:
        """Send the response to the request of `cycle`, and return its status."""
        await cycle.send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await cycle.send({"type": "http.response.body", "body": self.body, "more_body": False})
        return self.status


def refusal_reply(refused: Refused, request_id: str) -> LocalReply:
    """Return the response for `refused`: problem details (RFC 9457), or what a browser gets instead of them."""
    if isinstance(refused, BrowserRefusal):
        return LocalReply(refused.status, _headers(refused, refused.page), refused.page)
    body = refused.to_body(request_id)
    headers = [(b"content-type", PROBLEM_JSON.encode()), *_headers(refused, body)]
    if refused.code in _CLOSING_CODES:
        headers.append((b"connection", b"close"))
    return LocalReply(refused.status, headers, body)


def _headers(refused: Refused, body: bytes) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *(
            (name.lower().encode(), value.encode("latin-1"))
            for name, value in refused.to_headers().items()
            if name != "Cache-Control"
        ),
    ]
