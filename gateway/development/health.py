"""The health of each part of the system, for the first page: gateway, services, Redis and SQL."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from chassis.health import Check
from gateway.routing.routes import Upstream
from gateway.upstream_connections.connection import UpstreamConnection
from gateway.upstream_connections.connection_pool import ConnectionPool
from gateway.upstream_connections.errors import Unreachable, UpstreamFailed
from gateway.upstreams.registry import UpstreamRegistry

TIMEOUT_SECONDS = 2.0
"""For each part."""
READINESS_PATH = "/readyz"
AUTH_UPSTREAM = "auth"

State = Literal["up", "degraded", "down", "unknown"]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the system. `detail` is a sentence, or empty."""

    name: str
    state: State
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Readiness:
    """A service's response to GET /readyz. `failing` and `degraded` are names of its components."""

    status: int
    failing: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()


class SystemHealth:
    """Checks every part. `ping_redis` raises any exception if Redis does not answer."""

    def __init__(
        self,
        checks: Mapping[str, Check],
        upstreams: Iterable[Upstream],
        registry: UpstreamRegistry,
        ping_redis: Callable[[], Awaitable[object]],
    ) -> None:
        self._checks = checks
        self._upstreams = tuple(upstreams)
        self._registry = registry
        self._ping_redis = ping_redis

    async def check(self) -> list[Part]:
        """Return the health of every part, after TIMEOUT_SECONDS at the latest."""
        redis, answers = await asyncio.gather(self._redis(), self._services())
        return [
            self._gateway(),
            *(_service(name, answer) for name, answer in answers.items()),
            redis,
            _sql(answers),
        ]

    def _gateway(self) -> Part:
        failing = ", ".join(name for name, check in self._checks.items() if not _passes(check))
        return Part("gateway", "degraded", f"Not ready: {failing}.") if failing else Part("gateway", "up")

    async def _redis(self) -> Part:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await self._ping_redis()
        except Exception as error:  # noqa: BLE001 - any error means that Redis cannot be used
            return Part("Redis", "down", f"{type(error).__name__}. Log-ins and refreshes go on without it.")
        return Part("Redis", "up")

    async def _services(self) -> dict[str, Readiness | str]:
        answers = await asyncio.gather(*map(self._readiness, self._upstreams))
        return dict(zip((upstream.name for upstream in self._upstreams), answers, strict=True))

    async def _readiness(self, upstream: Upstream) -> Readiness | str:
        """Return the readiness of one address of `upstream`, or why it does not answer."""
        pool = self._registry.balancer_for(upstream).pools[0]
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                connection = await pool.open_unpooled(TIMEOUT_SECONDS)
                try:
                    return await _request_readiness(connection, pool)
                finally:
                    connection.close()
        except TimeoutError:
            return f"No answer within {TIMEOUT_SECONDS:g} seconds."
        except (Unreachable, UpstreamFailed) as error:
            return f"No answer: {error}."


async def _request_readiness(connection: UpstreamConnection, pool: ConnectionPool) -> Readiness:
    head = f"GET {READINESS_PATH} HTTP/1.1\r\nUser-Agent: sallyport-health\r\nConnection: close\r\n".encode()
    connection.start(head + pool.host_line + b"\r\n", b"", whole=True, method="GET", keep_cookies=False, total=0)
    await connection.wait_for_head(0)
    parts = [connection.take_body()]
    while not connection.complete:
        parts.append(await connection.read_body(0))
    members = _object(b"".join([*parts, connection.take_body()]))
    return Readiness(connection.status, _names(members, "failing"), _names(members, "degraded"))


def _service(name: str, answer: Readiness | str) -> Part:
    label = f"{name} service"
    if isinstance(answer, str):
        return Part(label, "down", answer)
    if answer.failing:
        return Part(label, "degraded", f"Not ready: {', '.join(answer.failing)}.")
    if answer.degraded:
        return Part(label, "degraded", f"Works without: {', '.join(answer.degraded)}.")
    if answer.status >= 500:
        return Part(label, "degraded", f"{READINESS_PATH} answers {answer.status}.")
    return Part(label, "up", "" if answer.status == 200 else f"Answers; it has no {READINESS_PATH}.")


def _sql(answers: Mapping[str, Readiness | str]) -> Part:
    """Return the health of the databases, which the services report."""
    failing = [
        name for name, answer in answers.items() if isinstance(answer, Readiness) and "database" in answer.failing
    ]
    if failing:
        return Part("SQL", "down", f"The database of {' and '.join(failing)} does not answer.")
    auth = answers.get(AUTH_UPSTREAM)
    if not isinstance(auth, Readiness):
        return Part("SQL", "unknown", "The auth service, which uses it, does not answer.")
    return Part("SQL", "up")


def _passes(check: Check) -> bool:
    try:
        check()
    except Exception:  # noqa: BLE001 - any error means that the check fails
        return False
    return True


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _names(members: Mapping[str, Any], member: str) -> tuple[str, ...]:
    names = members.get(member)
    return tuple(map(str, names)) if isinstance(names, list) else ()
