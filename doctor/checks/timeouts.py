"""Timeouts and lifetimes that contradict each other."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from doctor.finding import Problem, error, warning
from doctor.probes.configuration import GunicornOptions
from doctor.probes.services import ServiceAnswers

if TYPE_CHECKING:
    from auth_service.settings import AuthSettings
    from gateway.routing.routes import RouteTable

UPSTREAM_OF = {"auth_service": "auth", "resource_service": "notes"}
"""The upstream of the shipped routes that is a service of this project."""
HASHING_PATH, HASHING_METHOD = b"/auth/jwt/create/", "POST"


def tokens(settings: "AuthSettings", leeway: float) -> Iterator[Problem]:
    """Return the lifetimes of tokens that contradict each other. `leeway` is ACCESS_TOKEN_LEEWAY in seconds."""
    access, refresh = settings.access_token_lifetime, settings.refresh_token_lifetime
    if access >= refresh:
        yield error(
            f"ACCESS_TOKEN_LIFETIME ({access}) is not shorter than REFRESH_TOKEN_LIFETIME ({refresh}): a session "
            "ends before its first refresh.",
            "Set REFRESH_TOKEN_LIFETIME to many times ACCESS_TOKEN_LIFETIME.",
        )
    if access >= settings.session_lifetime:
        yield error(
            f"SESSION_LIFETIME ({settings.session_lifetime}) is not longer than ACCESS_TOKEN_LIFETIME ({access}): "
            "no session is ever refreshed.",
            "Set SESSION_LIFETIME to the time after which users have to log in again.",
        )
    if leeway and leeway >= access / 2:
        yield warning(
            f"ACCESS_TOKEN_LEEWAY ({leeway:g}) is half of ACCESS_TOKEN_LIFETIME ({access}) or more: tokens live "
            "much longer than set.",
            "Lower ACCESS_TOKEN_LEEWAY, or raise ACCESS_TOKEN_LIFETIME.",
        )
    if settings.refresh_grace >= access:
        yield warning(
            f"REFRESH_GRACE ({settings.refresh_grace}) is not shorter than ACCESS_TOKEN_LIFETIME ({access}): a "
            "stolen refresh token works for a whole round.",
            "Set REFRESH_GRACE=10.",
        )


def keep_alive(
    gunicorn: Mapping[str, GunicornOptions], services: Iterable[ServiceAnswers], expiry: float
) -> Iterator[Problem]:
    """Return the services that close idle connections before the gateway does, after `expiry` seconds."""
    for service, options in gunicorn.items():
        if options.keepalive <= expiry:
            yield error(
                f"{service} closes idle connections after {options.keepalive} seconds (GUNICORN_CMD_ARGS), the "
                f"gateway after {expiry:g}: requests on a closing connection fail.",
                f"Remove --keep-alive from GUNICORN_CMD_ARGS of {service}.",
            )
    for answers in services:
        if answers.keep_alive is not None and answers.keep_alive <= expiry:
            yield warning(
                f"{answers.upstream} at {answers.address} closes idle connections after {answers.keep_alive} "
                f"seconds, the gateway after {expiry:g}: requests on a closing connection fail.",
                f"Raise its keep-alive timeout above {expiry:g} seconds (Node.js: server.keepAliveTimeout = 75000).",
            )


def worker(gunicorn: Mapping[str, GunicornOptions], routes: "RouteTable") -> Iterator[Problem]:
    """Return the services whose worker is killed while the gateway still waits for its response."""
    for service, options in gunicorn.items():
        if options.worker_class not in ("sync", "gunicorn.workers.sync.SyncWorker"):
            continue  # a worker with threads reports to its master while requests run
        waits = [route.timeouts.read for route in routes.routes if route.upstream.name == UPSTREAM_OF[service]]
        longest = max(waits, default=0.0)
        if options.timeout < longest:
            yield error(
                f"gunicorn kills a worker of {service} after {options.timeout} seconds, and the gateway waits "
                f"{longest:g} for a response (timeout.read).",
                f"Remove --timeout and --worker-class from GUNICORN_CMD_ARGS of {service}.",
            )


def routes(table: "RouteTable") -> Iterator[Problem]:
    """Return the routes whose timeouts contradict each other."""
    seen = set()
    for route in table.routes:
        timeouts = route.timeouts
        if route.prefix in seen or route.streams or not timeouts.total:
            continue
        for name, value in (("connect", timeouts.connect), ("read", timeouts.read)):
            if value > timeouts.total:
                seen.add(route.prefix)
                yield warning(
                    f"The route {route.prefix} has timeout.{name} = {value:g} and timeout.total = "
                    f"{timeouts.total:g}: the first never applies.",
                    "Raise `total`, or lower the other in routes.toml.",
                )


def password_queue(max_wait: float, table: "RouteTable") -> Iterator[Problem]:
    """Return whether a log-in may wait longer for its hash than the gateway waits. `max_wait` is HASH_MAX_WAIT."""
    route = table.match(HASHING_PATH, HASHING_METHOD)
    if route is None:
        return
    limits = [limit for limit in (route.timeouts.read, route.timeouts.total) if limit]
    if limits and max_wait >= min(limits):
        yield warning(
            f"HASH_MAX_WAIT ({max_wait:g}) is not shorter than the {min(limits):g} seconds that the gateway waits "
            f"at {route.prefix}: a log-in gets 504 and is hashed for nothing.",
            "Lower HASH_MAX_WAIT to 5.",
        )
