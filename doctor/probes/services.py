"""Send requests to services around the gateway: without identity assertions, and with forged ones."""

import base64
import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chassis.clock import Clock
from contract.identity import IDENTITY_HEADER, UNSIGNED_HEADERS, sign
from contract.keys import assertion_signer
from doctor.finding import CannotCheck, Unreachable
from doctor.probes.configuration import target_of
from doctor.probes.gateway import clock_offset
from doctor.probes.http import Answer, Target, send, send_ready

if TYPE_CHECKING:
    from gateway.routing.routes import Route, RouteTable, Upstream

MAX_PATHS = 3
"""Paths of a service that are tried until one is refused or answered."""
_KEEP_ALIVE = re.compile(r"timeout\s*=\s*(\d+)")


@dataclass(frozen=True, slots=True)
class Stranger:
    """The caller in forged assertions."""

    subject: str = "doctor"
    session: str = "doctor"
    email: str = "doctor@doctor.invalid"
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceAnswers:
    """The statuses that a service answers at `path`: without an assertion, and with each forged one by its kind.

    `keep_alive` is how long it keeps idle connections, in seconds, if it says it. `problem` is why it was not tried,
    and `is_unreachable` whether that is because it does not answer at all.
    """

    upstream: str
    address: str
    path: str = ""
    without: int = 0
    forged: tuple[tuple[str, int], ...] = ()
    keep_alive: int | None = None
    problem: str = ""
    is_unreachable: bool = False


@dataclass(frozen=True, slots=True)
class ReadyAnswers:
    """What a service answers: whether it is ready, and its clock."""

    address: str
    ready_status: int
    clock_offset: float | None


def probe_ready(target: Target, clock: Clock) -> ReadyAnswers:
    """Return what a service of this project answers. Raises Unreachable."""
    answer = send_ready(target, clock)
    return ReadyAnswers(target.name, answer.status, clock_offset(answer))


def probe_services(routes: "RouteTable", clock: Clock) -> tuple[ServiceAnswers, ...]:
    """Return what each address of each service that is sent identity assertions answers to a stranger."""
    return tuple(
        _answers(upstream, target_of(address), routes, clock)
        for upstream in routes.upstreams()
        if upstream.signer is not None
        for address in upstream.addresses
    )


def _answers(upstream: "Upstream", target: Target, routes: "RouteTable", clock: Clock) -> ServiceAnswers:
    keep_alive = None
    try:
        for path in _paths(upstream, target, routes):
            answer = send(target, "GET", path)
            keep_alive = _keep_alive(answer)
            if answer.status in (401, 403) or 200 <= answer.status < 300:
                forged = tuple(
                    (kind, send(target, "GET", path, {IDENTITY_HEADER: text, **_UNSIGNED}).status)
                    for kind, text in _forgeries(upstream.audience, clock())
                )
                return ServiceAnswers(upstream.name, target.name, path, answer.status, forged, keep_alive)
    except CannotCheck as reason:
        is_unreachable = isinstance(reason, Unreachable)
        return ServiceAnswers(upstream.name, target.name, problem=str(reason), is_unreachable=is_unreachable)
    problem = f"{target.name} neither answers nor refuses GET on the paths of its routes that need a log-in"
    return ServiceAnswers(upstream.name, target.name, keep_alive=keep_alive, problem=problem)


_UNSIGNED = dict.fromkeys(UNSIGNED_HEADERS, "doctor")


def _forgeries(audience: str, now: float) -> Iterator[tuple[str, str]]:
    signer = assertion_signer(secrets.token_hex(32))
    forged = sign(Stranger(), signer=signer, audience=audience, now=now)
    yield "signed with another secret", forged
    header = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "identity+jwt"}).encode()).decode()
    yield "without a signature", f"{header.rstrip('=')}.{forged.split('.')[1]}."


def _paths(upstream: "Upstream", target: Target, routes: "RouteTable") -> list[str]:
    """Return paths of the service that only a subject may GET: from its OpenAPI document, or its routes' prefixes."""
    protected = [
        route
        for route in routes.routes
        if route.upstream is upstream and not route.public and "GET" in route.methods and not route.streams
    ]
    paths = [path for path in _documented(upstream, target) if _is_in(path, protected)]
    paths += [route.forwarded_path(route.prefix.encode()).decode() for route in protected]
    return list(dict.fromkeys(paths))[:MAX_PATHS]


def _documented(upstream: "Upstream", target: Target) -> list[str]:
    """Return the paths with a GET and without parameters in the service's OpenAPI document, if it has one."""
    if not upstream.openapi:
        return []
    answer = send(target, "GET", upstream.openapi, reads_body=True)
    try:
        paths = json.loads(answer.body)["paths"]
        return [path for path, methods in paths.items() if "get" in methods and "{" not in path]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def _is_in(path: str, routes: "list[Route]") -> bool:
    prefixes = (route.forwarded_path(route.prefix.encode()).decode() for route in routes)
    return any(path.startswith(prefix) for prefix in prefixes)


def _keep_alive(answer: Answer) -> int | None:
    found = _KEEP_ALIVE.search(answer.header("Keep-Alive") or "")
    return int(found[1]) if found else None
