"""Stands in front of the gateway's Flask app, as ASGI, and forwards what the pipeline admits.

Requests for upstream routes never enter WSGI. One place turns a refusal into an answer, and one place logs.
"""

import itertools
import json
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

import structlog

from chassis.clock import Clock
from contract.problems import PROBLEM_JSON, Refused
from gateway.access_log import AccessLog
from gateway.arrival import Arrival
from gateway.cors import Cors
from gateway.exchange import CutOff, Exchange, Receive, Send
from gateway.framing import check_target
from gateway.headers import own_fields, read_request_fields
from gateway.metrics import Metrics
from gateway.pipeline import Passage, Pipeline
from gateway.upstream import Upstreams

Scope = MutableMapping[str, Any]
ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]

CLIENT_CONNECTION = "sallyport.client_connection"
"""Where the server's protocol puts itself in the scope."""

OWN_MAX_BODY = 16_384
"""Bytes."""

_MISUNDERSTOOD = frozenset({"bad_request", "bad_path", "bad_header", "headers_too_large", "target_too_long"})
"""After these the connection ends: who sends such a request may have meant another one."""

_log = structlog.get_logger("token_proxy")


@dataclass(frozen=True, slots=True)
class OwnPaths:
    """Which paths the gateway answers itself. `internal_address` is where `internal` ones are served as well."""

    public: frozenset[bytes]
    internal: frozenset[bytes]
    internal_address: str

    def has(self, path: bytes, server: tuple[str, int | None] | None) -> bool:
        """Whether a request for `path` that came in at `server` (ASGI's form) is for the gateway itself."""
        return path in self.public or (path in self.internal and self._is_internal(server))

    def _is_internal(self, server: tuple[str, int | None] | None) -> bool:
        if server is None or not self.internal_address:
            return False
        host, port = server
        if port is None:
            return self.internal_address == f"unix:{host}"
        return self.internal_address.rpartition(":")[2] == str(port)


class TokenProxy:
    """The gateway as an ASGI application."""

    def __init__(
        self,
        pipeline: Pipeline,
        upstreams: Upstreams,
        own_endpoints: ASGIApp,
        own_paths: OwnPaths,
        cors: Cors,
        metrics: Metrics,
        access_log: AccessLog | None,
        clock: Clock,
    ) -> None:
        self._pipeline = pipeline
        self._upstreams = upstreams
        self._own_endpoints = own_endpoints
        self._own_paths = own_paths
        self._cors = cors
        self._metrics = metrics
        self._access_log = access_log
        self._clock = clock
        # Unique among workers and restarts by the random half, among requests by the counter.
        self._id_prefix = secrets.token_hex(8)
        self._counter = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        started = self._clock()
        arrival = self._arrival(scope)
        origin = self._cors.origin(arrival)
        if origin is not None:
            send = self._cors.exposing(send, origin)
        if self._own_paths.has(arrival.path, scope["server"]) and not self._cors.is_preflight(arrival):
            await self._serve_own(arrival, scope, receive, send)
            return
        status = await self._serve(arrival, scope, receive, send)
        self._metrics.answers[status] += 1
        if self._access_log is not None:
            self._access_log.add(
                request_id=arrival.request_id,
                method=arrival.method,
                path=arrival.path,
                status=status,
                seconds=self._clock() - started,
                client=arrival.client,
            )

    def _arrival(self, scope: Scope) -> Arrival:
        client = scope["client"]
        return Arrival(
            request_id=f"{self._id_prefix}{next(self._counter):08x}",
            method=scope["method"],
            path=scope["raw_path"],
            query=scope["query_string"],
            headers=scope["headers"],
            http_version=scope["http_version"],
            client=client[0] if client else "unknown",
            scheme=scope["scheme"],
        )

    async def _serve_own(self, arrival: Arrival, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request to the gateway's own endpoints, which see no field that is the gateway's to say."""
        try:
            check_target(arrival.path, arrival.query)
            fields = read_request_fields(arrival.headers, arrival.http_version)
            if fields.chunked or (fields.content_length or 0) > OWN_MAX_BODY:
                raise Refused("body_too_large", f"Bodies here have a Content-Length of at most {OWN_MAX_BODY} bytes.")
        except Refused as refused:
            await _refuse(refused, arrival, send)
            return
        ours = [(b"x-request-id", arrival.request_id.encode()), (b"x-forwarded-for", arrival.client.encode())]
        await self._own_endpoints({**scope, "headers": own_fields(arrival.headers) + ours}, receive, send)

    async def _serve(self, arrival: Arrival, scope: Scope, receive: Receive, send: Send) -> int:
        passage: Passage | None = None
        exchange = None
        try:
            if arrival.method == "OPTIONS" and self._cors.is_preflight(arrival):
                await self._cors.answer_preflight(arrival, self._cors.origin(arrival), send)
                return 204
            passage = await self._pipeline.admit(arrival)
            exchange = Exchange(
                passage,
                arrival.method,
                arrival.request_id,
                self._upstreams,
                receive,
                send,
                scope.get(CLIENT_CONNECTION),
            )
            await exchange.run()
        except Refused as refused:
            if passage is not None and passage.fresh is not None:
                refused.headers = {**refused.headers, **passage.fresh.to_headers()}
            await _refuse(refused, arrival, send)
            return refused.status
        except CutOff:
            # Returning without an end makes the server close the connection, which is all that can be said.
            return 0
        except Exception:  # noqa: BLE001 - the last line of defence: the client gets an answer, the log the reason
            _log.exception("unhandled exception", request_id=arrival.request_id)
            if exchange is None or not exchange.status:
                await _refuse(Refused("internal_error"), arrival, send)
            return 500
        return exchange.status


async def _refuse(refused: Refused, arrival: Arrival, send: Send) -> None:
    body = json.dumps(refused.to_members(arrival.request_id)).encode()
    headers = [
        (b"content-type", PROBLEM_JSON.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", arrival.request_id.encode()),
        *((name.lower().encode(), value.encode("latin-1")) for name, value in refused.to_headers().items()),
    ]
    if _has_body(arrival) or refused.code in _MISUNDERSTOOD:
        # The body is not read on: what follows it on this connection could not be told from it.
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _has_body(arrival: Arrival) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in arrival.headers
    )
