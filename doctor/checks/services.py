"""Services that are not ready, whose clocks differ, or that answer requests that did not come through the gateway."""

from collections.abc import Callable, Iterable, Iterator

from doctor.finding import CannotCheck, Problem, Unreachable, error, warning
from doctor.probes.services import ServiceAnswers

REFUSALS = (401, 403)
LEAST_WARNED_SKEW = 2.0
"""Seconds. Less cannot be told from the resolution of Date and the time of a request."""


def reachable(read: Callable[[], object], remedy: str) -> Iterator[Problem]:
    """Return whether the server that `read` needs does not answer. Raises CannotCheck if that cannot be known."""
    try:
        read()
    except Unreachable as reason:
        text = str(reason)
        yield error(f"{text[0].upper()}{text[1:]}.", remedy)


def unreachable(services: Iterable[ServiceAnswers]) -> Iterator[Problem]:
    """Return the services that do not answer."""
    for service in services:
        if service.is_unreachable:
            yield error(
                f"The service {service.upstream} cannot be reached: {service.problem}.",
                "Start it, or correct `urls` in routes.toml and the variables there.",
            )


def ready(name: str, address: str, status: int, runbook: str) -> Iterator[Problem]:
    """Return whether a service is not ready."""
    if status != 200:
        yield error(
            f"{name} at {address} is not ready: /readyz answers {status}.",
            f"Its log and the body of /readyz name the reason (docs/runbooks/{runbook}).",
        )


def clock(name: str, offset: float | None, leeway: float) -> Iterator[Problem]:
    """Return whether a clock differs from this machine's. `leeway` is ACCESS_TOKEN_LEEWAY in seconds."""
    if offset is None:
        raise CannotCheck(f"{name} sends no Date")
    skew = abs(offset)
    if skew <= max(leeway / 2, LEAST_WARNED_SKEW):
        return
    direction = "ahead of" if offset > 0 else "behind"
    cause = f"The clock of {name} is {skew:.1f} seconds {direction} this machine's"
    remedy = "Synchronize the clocks of both machines: `timedatectl set-ntp true`, or chrony."
    if skew > leeway:
        yield error(f"{cause}, and tokens tolerate {leeway:g} (ACCESS_TOKEN_LEEWAY).", remedy)
    else:
        yield warning(f"{cause}; from {leeway:g} on (ACCESS_TOKEN_LEEWAY) tokens are refused.", remedy)


def unauthenticated(services: Iterable[ServiceAnswers]) -> Iterator[Problem]:
    """Return the services that answer without an identity assertion."""
    for service in _tried(services):
        if 200 <= service.without < 300:
            yield error(
                f"{service.upstream} at {service.address} answers GET {service.path} with {service.without} "
                "to a request that did not come through the gateway.",
                "Let it refuse requests without a valid X-Identity (docs/your-own-service.md).",
            )


def forged(services: Iterable[ServiceAnswers]) -> Iterator[Problem]:
    """Return the services that accept a forged identity assertion, though they refuse requests without one."""
    for service in _tried(services):
        for kind, status in service.forged:
            if 200 <= status < 300 and service.without in REFUSALS:
                yield error(
                    f"{service.upstream} at {service.address} accepts an identity assertion {kind} at "
                    f"{service.path}.",
                    "Let it verify signature, audience and age of X-Identity (docs/your-own-service.md).",
                )
                break


def _tried(services: Iterable[ServiceAnswers]) -> list[ServiceAnswers]:
    found = list(services)
    problems = [service.problem for service in found if service.problem]
    if problems and not any(200 <= service.without < 300 for service in found):
        raise CannotCheck("; ".join(problems))
    return found
