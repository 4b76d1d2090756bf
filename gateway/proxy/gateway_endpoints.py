"""Serve requests for the gateway's own endpoints with an ASGI application, behind limits that protect its threads."""

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Any
from urllib.parse import unquote_to_bytes

from contract.problems import Refused
from gateway.http.request import Request
from gateway.http.request_headers import gateway_endpoint_fields, read_request_fields
from gateway.http.request_limits import RequestLimits
from gateway.pipeline.request_target import check_target
from gateway.rate_limits.concurrency import LOGINS, ClientGone, ConcurrencyQueue
from gateway.rate_limits.limiter import SessionEndpointsRateLimit
from gateway.server.request_cycle import Message, RequestCycle

Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApplication = Callable[[Any, Any, Any], Awaitable[None]]

SESSION_PATH = b"/session"

MAX_BODY_BYTES = 16_384

_ASGI_VERSIONS = {"version": "3.0", "spec_version": "2.3"}


class GatewayEndpoints:
    """The ASGI application of the gateway's own endpoints. `count_withheld` counts dropped header fields."""

    def __init__(
        self,
        application: ASGIApplication,
        session_rate_limit: SessionEndpointsRateLimit,
        count_withheld: Callable[[int], None],
        request_limits: RequestLimits,
    ) -> None:
        self._application = application
        self._session_rate_limit = session_rate_limit
        self._count_withheld = count_withheld
        self._request_limits = request_limits
        self._login_queue = ConcurrencyQueue(LOGINS)

    async def serve(self, cycle: RequestCycle) -> None:
        """Answer the request of `cycle`.

        Raises Refused before the response has begun, and ClientGone if the client disconnects before its body is
        complete.
        """
        request = cycle.request
        check_target(request.path, request.query, self._request_limits)
        fields = read_request_fields(request.headers, request.http_version, self._request_limits)
        self._count_withheld(len(fields.opt_in_lines) // 4)  # a line is four parts: name, colon, value, line end
        await self._session_rate_limit.check(request)
        if fields.chunked or (fields.content_length or 0) > MAX_BODY_BYTES:
            raise Refused("body_too_large", f"Bodies here have a Content-Length of at most {MAX_BODY_BYTES} bytes.")
        body = await _read_body(cycle) if fields.content_length else b""
        with await self._login_queue.acquire(cycle) if _is_login(request) else nullcontext():
            await self._application(_scope(request), _receive(body), _send(cycle))


def _scope(request: Request) -> dict[str, Any]:
    # gateway_endpoint_fields removes these fields from the request: only the gateway may set them.
    gateway_fields = [(b"x-request-id", request.request_id.encode()), (b"x-forwarded-for", request.client.encode())]
    return {
        "type": "http",
        "asgi": _ASGI_VERSIONS,
        "http_version": request.http_version,
        "method": request.method,
        "scheme": request.scheme,
        "path": unquote_to_bytes(request.path).decode("utf-8", "replace"),
        "raw_path": request.path,
        "query_string": request.query,
        "root_path": "",
        "headers": gateway_endpoint_fields(request.headers) + gateway_fields,
        "client": (request.client, 0),
        "server": request.server,
    }


def _is_login(request: Request) -> bool:
    return request.method == "POST" and request.path.rstrip(b"/") == SESSION_PATH


async def _read_body(cycle: RequestCycle) -> bytes:
    # The body is read before Flask is called: Flask has few threads, and slow clients would occupy all of them.
    body = bytearray()
    more = True
    while more:
        message = await cycle.receive()
        if message["type"] != "http.request":
            raise ClientGone
        body += message["body"]
        more = message["more_body"]
    return bytes(body)


def _receive(body: bytes) -> Receive:
    """Return ASGI's receive for a request whose body is complete."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _send(cycle: RequestCycle) -> Send:
    """Return ASGI's send for the application. It removes X-Request-Id, which the cycle adds to every response."""

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [field for field in message["headers"] if field[0] != b"x-request-id"]
        await cycle.send(message)

    return send
