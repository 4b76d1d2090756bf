"""Stands in front of the gateway's Flask app, as ASGI, and forwards what the pipeline admits.

Requests for upstream routes never enter WSGI. One place turns a refusal into an answer, and one place logs.
"""

import itertools
import json
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog

from chassis.clock import Clock
from contract.problems import PROBLEM_JSON, Refused
from gateway.access_log import AccessLog
from gateway.exchange import CutOff, Exchange, Receive, Send
from gateway.pipeline import Arrival, Pipeline
from gateway.upstream import Upstreams

Scope = MutableMapping[str, Any]
ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]

CLIENT_CONNECTION = "sallyport.client_connection"
"""Where the server's protocol puts itself in the scope."""

_log = structlog.get_logger("token_proxy")


class TokenProxy:
    """The gateway as an ASGI application."""

    def __init__(
        self,
        pipeline: Pipeline,
        upstreams: Upstreams,
        own_endpoints: ASGIApp,
        own_paths: frozenset[bytes],
        access_log: AccessLog | None,
        clock: Clock,
    ) -> None:
        self._pipeline = pipeline
        self._upstreams = upstreams
        self._own_endpoints = own_endpoints
        self._own_paths = own_paths
        self._access_log = access_log
        self._clock = clock
        # Unique among workers and restarts by the random half, among requests by the counter.
        self._id_prefix = secrets.token_hex(8)
        self._counter = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["raw_path"] in self._own_paths:
            await self._own_endpoints(scope, receive, send)
            return
        started = self._clock()
        arrival = self._arrival(scope)
        status = await self._serve(arrival, scope, receive, send)
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

    async def _serve(self, arrival: Arrival, scope: Scope, receive: Receive, send: Send) -> int:
        exchange = None
        try:
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
    if _has_body(arrival):
        # The body is not read on: what follows it on this connection could not be told from it.
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _has_body(arrival: Arrival) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in arrival.headers
    )
