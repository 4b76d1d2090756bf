"""Owns the gateway's own calls to the auth service, over the same kind of connection that requests take."""

import asyncio
from typing import NamedTuple

from chassis.clock import Clock
from chassis.json_body import MalformedJson, parse_json
from contract.internal import SESSIONS_PATH
from contract.peer import PEER_HEADER, PEER_REFUSED, sign_peer
from contract.problems import Refused
from gateway.routing.routes import Address, Upstream
from gateway.upstream_connections.connection import UpstreamConnection
from gateway.upstream_connections.errors import Unreachable, UpstreamFailed
from gateway.upstreams.balancer import Balancer
from gateway.upstreams.identity_rejections import IdentityRejections

_CONNECT, _SILENCE, _TOTAL = 1.0, 3.0, 5.0
_LOGIN = 7.0
"""Seconds for a log-in, whose password may wait to be hashed (HASH_MAX_WAIT)."""
_LIMIT = 16
"""Calls at once; those beyond wait for their turn, at most _PATIENCE seconds."""
_PATIENCE = 3.0
_MAX_ANSWER = 1_048_576


class AuthAnswer(NamedTuple):
    """What the auth service answers; `retry_after` in seconds, where it says so."""

    status: int
    body: bytes
    retry_after: int | None


def auth_calls(address: Address) -> Upstream:
    """The auth service as an upstream of the gateway's own calls, which no circuit keeps from it."""
    return Upstream("auth_calls", (address,), "", None, max_connections=_LIMIT, break_after=0)


class PeerRejected(OSError):
    """The auth service does not believe that this is the gateway: the secrets or the clocks of the two differ."""


class AuthClient:
    """Calls the auth service and proves itself by `secret`. Every call ends within eleven seconds."""

    def __init__(self, balancer: Balancer, secret: str, clock: Clock) -> None:
        self._balancer = balancer
        self._turns = asyncio.Semaphore(_LIMIT)
        self._secret = secret
        self._clock = clock
        self._rejections = IdentityRejections("peer_rejected", clock)

    async def get(self, path: str) -> bytes:
        """The body at `path`. Raises OSError for whatever is not a 200."""
        answer = await self._call("GET", path, b"", "")
        if answer.status != 200:
            raise OSError(f"{path} at the auth service answered {answer.status}")
        return answer.body

    async def post(self, path: str, document: bytes) -> AuthAnswer:
        """What answers the JSON `document`. Raises OSError where there is no answer, PeerRejected among them."""
        proof = f"{PEER_HEADER}: {sign_peer(self._secret, now=self._clock())}\r\n"
        answer = await self._call("POST", path, document, f"Content-Type: application/json\r\n{proof}")
        if answer.status == 403 and (reason := _peer_refusal(answer.body)):
            self._rejections.record("auth", reason)
            raise PeerRejected(f"the auth service does not accept this gateway: {reason}")
        return answer

    async def _call(self, method: str, path: str, body: bytes, fields: str) -> AuthAnswer:
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._turns.acquire()
        except TimeoutError as error:
            raise OSError("too many calls to the auth service") from error
        try:
            return await self._call_now(method, path, body, fields)
        finally:
            self._turns.release()

    async def _call_now(self, method: str, path: str, body: bytes, fields: str) -> AuthAnswer:
        balancer, loop = self._balancer, asyncio.get_running_loop()
        asked_at = balancer.now()
        try:
            pool = balancer.choose()
            connection = pool.take_idle(loop.time(), 1)
            if connection is None:
                pool, connection = await balancer.connect(pool, _CONNECT)
        except (Unreachable, Refused) as error:
            raise OSError(f"the auth service is unreachable: {error}") from error
        length = f"Content-Length: {len(body)}\r\n" if method == "POST" else ""
        head = f"{method} {path} HTTP/1.1\r\n{fields}{length}".encode("ascii") + pool.host_line + b"\r\n"
        try:
            silence, total = (_LOGIN, _LOGIN) if path == SESSIONS_PATH else (_SILENCE, _TOTAL)
            connection.start(head, body, whole=True, method=method, keep_cookies=False, total=total)
            await connection.wait_for_head(silence)
            if pool.on_response is not None:
                pool.on_response(pool)
            return await _answer(connection, silence)
        except UpstreamFailed as error:
            if error.reason not in ("stale", "closed"):
                balancer.record_failure(pool, error, asked_at)
            raise OSError(f"the auth service broke off: {error.reason}") from error
        finally:
            pool.release(connection)


def _peer_refusal(body: bytes) -> str:
    """Why the auth service refuses this gateway; empty where the 403 says something else."""
    try:
        members = parse_json(body)
    except MalformedJson:
        return ""
    if not isinstance(members, dict) or members.get("code") != PEER_REFUSED:
        return ""
    return str(members.get("detail"))


async def _answer(connection: UpstreamConnection, silence: float) -> AuthAnswer:
    parts = [connection.take_body()]
    while not connection.complete:
        parts.append(await connection.read_body(silence))
        if sum(map(len, parts)) > _MAX_ANSWER:
            raise OSError(f"the auth service's answer is over {_MAX_ANSWER} bytes")
    said = next((value for name, value in connection.headers if name == b"retry-after"), b"")
    body = b"".join([*parts, connection.take_body()])
    return AuthAnswer(connection.status, body, int(said) if said.isdigit() else None)
