"""The gateway's own calls to the auth service, over a connection pool of their own."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from chassis.clock import Clock
from chassis.json_body import MalformedJson, parse_json
from chassis.secret_rotation.watched_secret import Secrets
from contract.internal_api import SESSIONS_PATH
from contract.peer_token import PEER_HEADER, PEER_REFUSED, sign_peer
from contract.problems import Refused, jittered_retry_after
from gateway.routing.routes import Address, Upstream
from gateway.tokens.call_spans import CallSpans
from gateway.upstream_connections.connection import UpstreamConnection
from gateway.upstream_connections.errors import Unreachable, UpstreamFailed
from gateway.upstreams.balancer import Balancer
from gateway.upstreams.identity_rejections import IdentityRejections

_MAX_IDLE_SECONDS = 1.0
_CONNECT_SECONDS = 1.0
_READ_SECONDS = 3.0
_TOTAL_SECONDS = 5.0

_LOGIN_SECONDS = 7.0
"""Read and total timeout of a log-in. It is longer, because the password may wait to be hashed (HASH_MAX_WAIT)."""

MAX_CONCURRENT_CALLS = 16

QUEUE_SECONDS = 3.0
"""How long a call waits at most while MAX_CONCURRENT_CALLS are in progress."""

_MAX_BODY_BYTES = 1_048_576
"""Maximum size of a response's body."""


class AuthResponse(NamedTuple):
    """A response of the auth service. `retry_after` is in seconds; None if the response has no Retry-After."""

    status: int
    body: bytes
    retry_after: int | None


Post = Callable[[str, bytes], Awaitable[AuthResponse]]
"""A function that posts a JSON document to a path of the auth service. Raises OSError if there is no response."""


def auth_upstream(address: Address) -> Upstream:
    """Return the upstream of the gateway's own calls. It has no circuit breaker."""
    return Upstream("auth_calls", (address,), "", None, max_connections=MAX_CONCURRENT_CALLS, break_after=0)


class PeerRejected(OSError):
    """The auth service rejected the gateway's peer token: PEER_SECRET or the clocks differ."""


class AuthClient:
    """Calls the auth service. A POST has a peer token, signed by the first of the `secrets`. Every call ends within
    eleven seconds.
    """

    def __init__(
        self,
        balancer: Balancer,
        secrets: Secrets,
        clock: Clock,
        *,
        spans: CallSpans | None = None,
        queue_seconds: float = QUEUE_SECONDS,
    ) -> None:
        self._balancer = balancer
        self._queue_seconds = queue_seconds
        self._spans = spans
        self._call_slots = asyncio.Semaphore(MAX_CONCURRENT_CALLS)
        self._secrets = secrets
        self._clock = clock
        self._rejections = IdentityRejections("peer_rejected", balancer.now)

    async def get(self, path: str) -> bytes:
        """Return the body at `path`. Raises OSError unless the status is 200."""
        response = await self._call("GET", path, b"", "")
        if response.status != 200:
            raise OSError(f"{path} at the auth service answered {response.status}")
        return response.body

    async def post(self, path: str, document: bytes) -> AuthResponse:
        """Return the response to the JSON `document`.

        Raises OSError if there is no response, PeerRejected if the auth service rejects the gateway's peer token.
        """
        used = self._secrets.current()
        response = await self._post(path, document)
        reason = _peer_rejection(response)
        if reason and self._secrets.has_changed_since(
            used
        ):  # the auth service has read a new secret before this process
            response = await self._post(path, document)
            reason = _peer_rejection(response)
        if reason:
            self._rejections.record("auth", reason)
            raise PeerRejected(f"the auth service does not accept this gateway: {reason}")
        return response

    async def _post(self, path: str, document: bytes) -> AuthResponse:
        peer_field = f"{PEER_HEADER}: {sign_peer(self._secrets.current()[0], now=self._clock())}\r\n"
        return await self._call("POST", path, document, f"Content-Type: application/json\r\n{peer_field}")

    async def _call(self, method: str, path: str, body: bytes, fields: str) -> AuthResponse:
        """Send one request as soon as fewer than MAX_CONCURRENT_CALLS are in progress. Raises OSError."""
        try:
            async with asyncio.timeout(self._queue_seconds):
                await self._call_slots.acquire()
        except TimeoutError as error:
            raise OSError("too many calls to the auth service") from error
        try:
            if self._spans is None:
                return await self._send(method, path, body, fields)
            return await self._send_in_span(self._spans, method, path, body, fields)
        finally:
            self._call_slots.release()

    async def _send_in_span(self, spans: CallSpans, method: str, path: str, body: bytes, fields: str) -> AuthResponse:
        call, started, status = spans.begin(), spans.clock(), 0
        try:
            response = await self._send(method, path, body, f"{fields}traceparent: {call.to_header()}\r\n")
            status = response.status
            return response
        finally:
            spans.end(call, method, path, started, status)

    async def _send(self, method: str, path: str, body: bytes, fields: str) -> AuthResponse:
        """Send one request to the auth service and return its response. `fields` are header lines."""
        balancer, loop = self._balancer, asyncio.get_running_loop()
        sent_at = balancer.now()
        try:
            pool = balancer.choose()
            connection = pool.take_idle(loop.time(), _MAX_IDLE_SECONDS)
            if connection is None:
                pool, connection = await balancer.connect(pool, _CONNECT_SECONDS)
        except (Unreachable, Refused) as error:
            raise OSError(f"the auth service is unreachable: {error}") from error
        length = f"Content-Length: {len(body)}\r\n" if method == "POST" else ""
        head = f"{method} {path} HTTP/1.1\r\n{fields}{length}".encode("ascii") + pool.host_line + b"\r\n"
        is_login = path == SESSIONS_PATH
        read_seconds = _LOGIN_SECONDS if is_login else _READ_SECONDS
        total_seconds = _LOGIN_SECONDS if is_login else _TOTAL_SECONDS
        try:
            connection.start(head, body, whole=True, method=method, keep_cookies=False, total=total_seconds)
            await connection.wait_for_head(read_seconds)
            if pool.on_response is not None:
                pool.on_response(pool)
            return await _read_response(connection, read_seconds)
        except UpstreamFailed as error:
            if error.reason not in ("stale", "closed"):
                balancer.record_failure(pool, error, sent_at)
            raise OSError(f"the call to the auth service failed: {error.reason}") from error
        finally:
            pool.release(connection)


def _peer_rejection(response: AuthResponse) -> str:
    """Return why the auth service rejected the peer token; empty if it did not."""
    if response.status != 403:
        return ""
    try:
        members = parse_json(response.body)
    except MalformedJson:
        return ""
    if not isinstance(members, dict) or members.get("code") != PEER_REFUSED:
        return ""
    return str(members.get("detail"))


async def _read_response(connection: UpstreamConnection, read_seconds: float) -> AuthResponse:
    parts = [connection.take_body()]
    while not connection.complete:
        parts.append(await connection.read_body(read_seconds))
        if sum(map(len, parts)) > _MAX_BODY_BYTES:
            raise OSError(f"the auth service's response is over {_MAX_BODY_BYTES} bytes")
    retry_after = next((value for name, value in connection.headers if name == b"retry-after"), b"")
    body = b"".join([*parts, connection.take_body()])
    return AuthResponse(connection.status, body, int(retry_after) if retry_after.isdigit() else None)


def read_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a response of the auth service. Raises Refused(503) if `body` is not one."""
    try:
        value = parse_json(body)
    except MalformedJson as error:
        raise Refused(
            "auth_unavailable", "The auth service's answer was malformed.", retry_after=jittered_retry_after(1)
        ) from error
    if not isinstance(value, dict):
        raise Refused(
            "auth_unavailable", "The auth service's answer was malformed.", retry_after=jittered_retry_after(1)
        )
    return dict(value)
