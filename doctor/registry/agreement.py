"""The checks of what has to fit together: cookies, CORS, URLs, timeouts and limits."""

from collections.abc import Iterable

from doctor.checks import browsers, limits, timeouts
from doctor.facts import Facts
from doctor.finding import CannotCheck, Problem
from doctor.probes.configuration import GunicornOptions
from doctor.registry.check import Check


def _gunicorn(facts: Facts) -> dict[str, GunicornOptions]:
    """Return the options of the services that are here. Raises CannotCheck if neither is."""
    here = facts.deployment.environs
    found = {}
    if "auth" in here:
        found["auth_service"] = facts.auth.gunicorn
    if "resource" in here:
        found["resource_service"] = facts.resource.gunicorn
    if not found:
        raise CannotCheck("the settings of auth_service and resource_service are not here")
    return found


def _body_limits(facts: Facts) -> dict[str, int]:
    found = {}
    if "auth" in facts.deployment.environs:
        from auth_service.api.request_body import MAX_BODY

        found["auth_service"] = MAX_BODY
    if "resource" in facts.deployment.environs:
        from resource_service.app import MAX_BODY as MAX_RESOURCE_BODY

        found["resource_service"] = MAX_RESOURCE_BODY
    return found


def _keep_alive(facts: Facts) -> Iterable[Problem]:
    from gateway.upstream_connections.connection_pool import KEEPALIVE_EXPIRY

    gunicorn = _gunicorn(facts) if set(facts.deployment.environs) & {"auth", "resource"} else {}
    answers = facts.services if "gateway" in facts.deployment.environs else ()
    return timeouts.keep_alive(gunicorn, answers, KEEPALIVE_EXPIRY)


def _leeway(facts: Facts) -> float:
    from contract.claims import LEEWAY

    return facts.gateway.settings.access_token_leeway if "gateway" in facts.deployment.environs else LEEWAY


def _hash_memory(facts: Facts) -> Iterable[Problem]:
    auth = facts.auth
    workers = auth.gunicorn.workers or auth.serving.auth_workers
    needed = workers * auth.settings.hash_concurrency * auth.settings.argon2_memory_cost * 1024
    return limits.hash_memory(needed, facts.memory_limit)


def _https_expected(facts: Facts) -> bool:
    return facts.is_production or facts.public_url.startswith("https://")


def _public_url(facts: Facts) -> Iterable[Problem]:
    pages = "auth" in facts.deployment.environs and facts.auth.settings.pages
    return browsers.public_url(facts.public_url, facts.is_production, pages)


AGREEMENT_CHECKS: tuple[Check, ...] = (
    Check(
        "browsers.cookie-setting",
        "`SESSION_COOKIE_SECURE` that does not fit https or http",
        lambda facts: browsers.cookie_setting(
            facts.gateway.settings.session_cookie_secure, facts.is_production, facts.public_url
        ),
    ),
    Check(
        "browsers.cookies",
        "a cookie that is set without `Secure`, `HttpOnly` or `SameSite`",
        lambda facts: browsers.cookies(facts.answers.cookies, _https_expected(facts)),
    ),
    Check(
        "browsers.origins",
        "`ALLOWED_ORIGINS` with localhost or http in production",
        lambda facts: browsers.origins(facts.gateway.settings.origins, facts.is_production),
    ),
    Check(
        "browsers.any-origin",
        "CORS for every origin",
        lambda facts: browsers.any_origin(facts.answers.allowed_origin),
    ),
    Check("browsers.public-url", "hosted pages without `PUBLIC_URL`, or an http one, in production", _public_url),
    Check(
        "browsers.trusted-proxies",
        "an https URL without `TRUSTED_PROXIES`: the proxy that ends TLS is not trusted",
        lambda facts: browsers.trusted_proxies(bool(facts.gateway.settings.trusted_proxies), facts.public_url),
    ),
    Check(
        "browsers.hsts",
        "https without Strict-Transport-Security",
        lambda facts: browsers.hsts(facts.gateway.settings.hsts_max_age, facts.public_url),
    ),
    Check(
        "timeouts.tokens",
        "lifetimes of tokens and sessions that contradict each other",
        lambda facts: timeouts.tokens(facts.auth.settings, _leeway(facts)),
    ),
    Check("timeouts.keep-alive", "a service that closes idle connections before the gateway does", _keep_alive),
    Check(
        "timeouts.worker",
        "a worker that is killed while the gateway waits for its response",
        lambda facts: timeouts.worker(_gunicorn(facts), facts.gateway.routes),
    ),
    Check(
        "timeouts.routes",
        "a route's timeouts that contradict each other",
        lambda facts: timeouts.routes(facts.gateway.routes),
    ),
    Check(
        "timeouts.password-queue",
        "`HASH_MAX_WAIT` longer than the gateway waits",
        lambda facts: timeouts.password_queue(facts.auth.settings.hash_max_wait, facts.gateway.routes),
    ),
    Check(
        "limits.headers",
        "limits of headers that are lower at a service than at the gateway",
        lambda facts: limits.headers(facts.gateway.settings, _gunicorn(facts)),
    ),
    Check(
        "limits.bodies",
        "`max_body` of a route over the limit of its service",
        lambda facts: limits.bodies(facts.gateway.routes, _body_limits(facts)),
    ),
    Check(
        "limits.open-files",
        "fewer file descriptors than `GATEWAY_STREAMS` needs",
        lambda facts: limits.open_files(facts.gateway.settings.gateway_streams, facts.open_file_limit),
    ),
    Check("limits.hash-memory", "password hashes that may need more memory than the container has", _hash_memory),
)
