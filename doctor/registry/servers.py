"""The checks of servers: the gateway, the services, their clocks and ports, Redis and the databases."""

from collections.abc import Iterable, Mapping

from doctor.checks import database, ports, redis, services
from doctor.facts import Facts
from doctor.finding import Problem
from doctor.registry.check import Check


def _binds(facts: Facts, *names: str) -> Mapping[str, str]:
    """Return the listen addresses of this machine. In a container, its network decides who can connect."""
    if not facts.is_host:
        return {}
    environs = facts.all_environs().values()
    return {name: environ[name] for environ in environs for name in names if environ.get(name)}


def _leeway(facts: Facts) -> float:
    from contract.claims import LEEWAY

    return facts.gateway.settings.access_token_leeway if "gateway" in facts.deployment.environs else LEEWAY


def _database_clock(facts: Facts) -> Iterable[Problem]:
    servers = [each for each in facts.databases if each.is_postgresql]
    return [
        problem
        for each in servers
        for problem in services.clock(f"the database of the {each.service}", each.clock_offset, _leeway(facts))
    ]


SERVER_CHECKS: tuple[Check, ...] = (
    Check(
        "gateway.reachable",
        "a gateway that does not answer",
        lambda facts: services.reachable(lambda: facts.answers, "Start it; its log says why it does not listen."),
    ),
    Check(
        "gateway.ready",
        "a gateway that is not ready",
        lambda facts: services.ready(
            "The gateway", facts.answers.address, facts.answers.ready_status, "target-down.md"
        ),
    ),
    Check(
        "auth.reachable",
        "an auth service that does not answer at `AUTH_URL` or `AUTH_BIND`",
        lambda facts: services.reachable(lambda: facts.auth_answers, "Start it, or correct AUTH_URL."),
    ),
    Check(
        "auth.ready",
        "an auth service that is not ready",
        lambda facts: services.ready(
            "The auth service", facts.auth_answers.address, facts.auth_answers.ready_status, "auth-errors.md"
        ),
    ),
    Check(
        "resource.reachable",
        "a resource service that does not answer at `RESOURCE_BIND`",
        lambda facts: services.reachable(lambda: facts.resource_answers, "Start it; its log says why it ended."),
    ),
    Check(
        "resource.ready",
        "a resource service that is not ready",
        lambda facts: services.ready(
            "The resource service",
            facts.resource_answers.address,
            facts.resource_answers.ready_status,
            "upstream-failures.md",
        ),
    ),
    Check(
        "services.reachable",
        "a service of `routes.toml` that does not answer",
        lambda facts: services.unreachable(facts.services),
    ),
    Check(
        "services.unauthenticated",
        "a service that answers requests that did not come through the gateway",
        lambda facts: services.unauthenticated(facts.services),
    ),
    Check(
        "services.forged",
        "a service that accepts a forged identity assertion",
        lambda facts: services.forged(facts.services),
    ),
    Check(
        "clocks.gateway",
        "a clock of the gateway that differs from this machine's",
        lambda facts: services.clock("the gateway", facts.answers.clock_offset, _leeway(facts)),
    ),
    Check(
        "clocks.auth",
        "a clock of the auth service that differs",
        lambda facts: services.clock("the auth service", facts.auth_answers.clock_offset, _leeway(facts)),
    ),
    Check(
        "clocks.redis",
        "a clock of Redis that differs",
        lambda facts: services.clock("Redis", facts.redis.clock_offset, _leeway(facts)),
    ),
    Check("clocks.database", "a clock of PostgreSQL that differs", _database_clock),
    Check(
        "ports.services",
        "the auth or the resource service on every interface, or on a public address",
        lambda facts: ports.listening(_binds(facts, "AUTH_BIND", "RESOURCE_BIND"), "a service behind the gateway"),
    ),
    Check(
        "ports.internal",
        "metrics and `/forward-auth` on every interface, or on a public address",
        lambda facts: ports.listening(
            _binds(facts, "GATEWAY_INTERNAL_BIND", "AUTH_INTERNAL_BIND", "RESOURCE_INTERNAL_BIND"), "metrics"
        ),
    ),
    Check(
        "ports.stores",
        "a Redis or database for this machine only that other machines can reach",
        lambda facts: ports.stores(facts.open_ports),
    ),
    Check(
        "ports.forward-auth",
        "`/forward-auth` served to clients",
        lambda facts: ports.forward_auth(facts.forward_auth_status),
    ),
    Check(
        "redis.reachable",
        "a Redis that does not answer",
        lambda facts: services.reachable(lambda: facts.redis, "Start it, or correct REDIS_URL."),
    ),
    Check(
        "redis.persistence",
        "a Redis that loses revocations at a restart, or cannot write them",
        lambda facts: redis.persistence(facts.redis),
    ),
    Check("redis.replica", "a Redis that refuses writes", lambda facts: redis.replica(facts.redis)),
    Check(
        "redis.eviction",
        "a Redis that may delete revocations when its memory is full",
        lambda facts: redis.eviction(facts.redis),
    ),
    Check("redis.memory", "a Redis whose memory is nearly full", lambda facts: redis.memory(facts.redis)),
    Check("redis.clients", "a Redis with few connections left", lambda facts: redis.clients(facts.redis)),
    Check(
        "redis.password",
        "a Redis in a network that accepts clients without a password",
        lambda facts: redis.password(facts.redis, facts.deployment.place),
    ),
    Check(
        "redis.encryption",
        "a Redis that is used unencrypted over the Internet",
        lambda facts: redis.encryption(facts.redis),
    ),
    Check(
        "database.reachable",
        "a database that cannot be used",
        lambda facts: services.reachable(lambda: facts.databases, "Start it, or correct DATABASE_URL."),
    ),
    Check(
        "database.auth-migrations",
        "tables of the auth service that are older than this release",
        lambda facts: database.migrations(facts.auth_database),
    ),
    Check(
        "database.resource-migrations",
        "tables of the resource service that are older than this release",
        lambda facts: database.migrations(facts.resource_database),
    ),
    Check(
        "database.encryption",
        "a database that is used unencrypted over the Internet",
        lambda facts: [problem for each in facts.databases for problem in database.encryption(each)],
    ),
    Check(
        "database.connections",
        "services that may open more connections than PostgreSQL has",
        lambda facts: database.connections(facts.database_use, facts.databases[0]),
    ),
)
