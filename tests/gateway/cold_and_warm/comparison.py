"""Compare the effects of a message: cold, when the gateway has not seen it, and warm, after similar messages."""

import itertools
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from structlog.testing import capture_logs
from structlog.typing import EventDict

from gateway.http.request_limits import RequestLimits
from gateway.server.request_head_cache import RequestHeadCache
from tests.gateway.cold_and_warm.cases import Case
from tests.gateway.cold_and_warm.played_gateway import Effect, PlayedGateway, played_gateway
from tests.gateway.cold_and_warm.services import Services

NEW_CONNECTIONS = 3
"""The second one keeps a header section with its token, and the third one finds it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A case whose warm effect differs from its cold one."""

    case: Case
    index: int
    """The index among the cases that were played on the same gateway."""
    connection: str
    """`new`, or `used` if similar messages were played on the same connection."""
    cold: Effect
    warm: Effect

    def __str__(self) -> str:
        pairs = zip(Effect._fields, self.cold, self.warm, strict=True)
        effects = "\n".join(
            f"  {name}\n    cold: {cold!r}\n    warm: {warm!r}" for name, cold, warm in pairs if cold != warm
        )
        return f"{self.case}\n\nOn a {self.connection} connection:\n{effects}"


@dataclass(slots=True)
class Result:
    """The first difference, if there is one, and how many cases were played on which ways."""

    cases: int = 0
    recognized: int = 0
    """Cases in which the header section of a request was recognized when the message was played warm."""
    kept: int = 0
    """Cases in which it was recognized with its access token: the cache returned the same fields as before."""
    forwarded: int = 0
    """Cases in which a service received a request."""
    redirected: int = 0
    """Cases in which a browser was redirected to the log-in page, or got the page that loads itself again."""
    offered: int = 0
    """Cases in which the auth service received a form with the offer of a session handle."""
    sessions_changed: int = 0
    """Cases in which the gateway set or cleared the session cookie as the auth service said."""
    forms: int = 0
    """Cases in which an app received a form that a session cookie authenticated."""
    difference: Difference | None = None
    errors: list[str] = field(default_factory=list)
    """Errors that the gateway logged."""

    def __str__(self) -> str:
        return "\n".join([str(self.difference or ""), *self.errors])


def compare(
    cases: Iterable[Case], new_cache: Callable[[RequestLimits], RequestHeadCache] = RequestHeadCache
) -> Result:
    """Play `cases` on one gateway, until one of them shows a difference. `new_cache` makes an empty cache."""
    result, services = Result(), Services()
    services.loop.set_exception_handler(lambda _, context: result.errors.append(repr(context)))
    try:
        with tempfile.TemporaryDirectory() as folder, capture_logs() as logs:
            services.loop.run_until_complete(_compare(cases, Path(folder), services, new_cache, logs, result))
    finally:
        services.loop.close()
    return result


async def _compare(
    cases: Iterable[Case],
    folder: Path,
    services: Services,
    new_cache: Callable[[RequestLimits], RequestHeadCache],
    logs: list[EventDict],
    result: Result,
) -> None:
    async with played_gateway(folder, services, new_cache) as gateway:
        for index, case in enumerate(cases):
            result.cases += 1
            result.difference = await _difference(gateway, case, index, result)
            result.errors += [repr(line) for line in logs if line["log_level"] in ("error", "critical")]
            logs.clear()
            if result.difference is not None or result.errors:
                return


async def _difference(gateway: PlayedGateway, case: Case, index: int, result: Result) -> Difference | None:
    gateway.forget()
    await gateway.prepare_upstream(is_open=case.upstream_is_open)
    client = gateway.connect()
    cold = await gateway.play(client, case.message, by_parser=True)
    await gateway.hang_up(client)
    result.forwarded += bool(cold.to_services)
    forwarded = b"".join(raw for _, raw in cold.to_services)
    result.offered += b"X-Session-Offer: " in forwarded
    result.sessions_changed += b"set-cookie: __Host-session=" in cold.to_client and b"X-Session-Offer: " in forwarded
    result.forms += b"POST /app/" in forwarded and b"\r\nRemote-User: " in forwarded
    result.redirected += any(text in cold.to_client for text in (b"location: /auth/login/", b'http-equiv="refresh"'))
    used = gateway.connect()
    for neighbour in case.neighbours:
        await gateway.play(used, neighbour)
        if used.state != "open" or not neighbour.ends_at_rest:
            await gateway.hang_up(used)
            used = gateway.connect()
    connections = itertools.chain([("used", used)], (("new", gateway.connect()) for _ in range(NEW_CONNECTIONS)))
    for name, client in connections:
        await gateway.prepare_upstream(is_open=case.upstream_is_open)
        found, kept = gateway.cache.sections_found, gateway.cache.whole_sections_found
        warm = await gateway.play(client, case.message)
        await gateway.hang_up(client)
        if warm != cold:
            return Difference(case, index, name, cold, warm)
    result.recognized += gateway.cache.sections_found > found
    result.kept += gateway.cache.whole_sections_found > kept
    return None
