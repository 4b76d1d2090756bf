"""A Redis that can lose revocations, or that others can use."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from doctor.deployment import Place
from doctor.finding import CannotCheck, Problem, error, warning
from doctor.probes.ports import is_loopback, is_public

if TYPE_CHECKING:
    from doctor.probes.redis import RedisFacts

FULL_SHARE = 0.9
"""The share of a limit from which on it is nearly reached."""


def persistence(redis: "RedisFacts") -> Iterator[Problem]:
    """Return whether a restart of Redis loses revocations, or whether it fails to write."""
    for file in redis.write_failures:
        yield error(
            f"{redis.product} failed to write {file} the last time.",
            "Its log has the reason: mostly a full disk, or missing permissions for its folder.",
        )
    if redis.append_only:
        return
    if redis.save is None:
        raise CannotCheck("Redis does not allow CONFIG GET save")
    if redis.save:
        yield warning(
            f"{redis.product} only writes snapshots (save {redis.save}): a crash loses the revocations since the "
            "last.",
            "Set `appendonly yes` and `appendfsync everysec`.",
        )
    else:
        yield error(
            f"{redis.product} writes nothing to disk: after its restart, the revocations of log-outs are missing "
            "until the auth service publishes them again.",
            "Set `appendonly yes` and `appendfsync everysec`.",
        )


def replica(redis: "RedisFacts") -> Iterator[Problem]:
    """Return whether Redis refuses writes."""
    if redis.is_replica:
        yield error(
            f"{redis.product} of REDIS_URL is a replica, which refuses writes: revocations are not published.",
            "Set REDIS_URL to the primary.",
        )


def eviction(redis: "RedisFacts") -> Iterator[Problem]:
    """Return whether Redis may delete revocations when its memory is full."""
    if redis.eviction_policy == "noeviction":
        return
    cause = f"maxmemory-policy of {redis.product} is {redis.eviction_policy}"
    remedy = "Set `maxmemory-policy noeviction`; a cache needs a Redis of its own."
    if redis.max_memory:
        yield error(f"{cause}: with full memory it deletes the list of revoked sessions.", remedy)
    else:
        yield warning(f"{cause}: as soon as maxmemory is set, it may delete the list of revoked sessions.", remedy)


def memory(redis: "RedisFacts") -> Iterator[Problem]:
    """Return whether the memory limit of Redis is nearly reached."""
    if redis.max_memory and redis.used_memory > FULL_SHARE * redis.max_memory:
        share = redis.used_memory / redis.max_memory
        yield warning(
            f"{redis.product} uses {share:.0%} of maxmemory; beyond it, revocations are refused.",
            "Raise `maxmemory`, or give other programs a Redis of their own.",
        )


def clients(redis: "RedisFacts") -> Iterator[Problem]:
    """Return whether the connections of Redis are nearly used up."""
    if redis.max_clients and redis.clients > FULL_SHARE * redis.max_clients:
        yield warning(
            f"{redis.product} has {redis.clients} of {redis.max_clients} possible connections.",
            "Raise `maxclients` and its limit of open files, or run fewer workers.",
        )


def password(redis: "RedisFacts", place: Place) -> Iterator[Problem]:
    """Return whether others can use Redis without a password.

    In a container of Docker, a private address is that of a network for these containers only.
    """
    is_own_network = place is Place.CONTAINER and not is_public(redis.host)
    if redis.needs_password or not redis.host or is_loopback(redis.host) or is_own_network:
        return
    yield error(
        f"{redis.product} at {redis.host}:{redis.port} accepts clients without a password: they can revoke or "
        "restore sessions.",
        "Set `requirepass` (or an ACL user), and the password in REDIS_URL.",
    )


def encryption(redis: "RedisFacts") -> Iterator[Problem]:
    """Return whether Redis is used unencrypted over the Internet."""
    if redis.host and not redis.is_encrypted and is_public(redis.host):
        yield error(
            f"REDIS_URL sends its password unencrypted to the public address {redis.host}.",
            "Use rediss:// or a private network.",
        )
