"""Read the state of Redis or Valkey."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from redis import AuthenticationError, Redis, ResponseError
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import SentinelConnectionPool

from chassis.clock import Clock
from chassis.redis_clients import REDIS_ERRORS, redis_client, server_of
from chassis.redis_reason import redis_reason
from contract.revocation import STREAM
from doctor.finding import Unreachable
from doctor.probes.clocks import certain_offset

TIMEOUT_SECONDS = 3.0
"""For the connection, and for each reply."""


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """The state of the server. `host` is empty for a unix socket. Sizes in bytes.

    `save` is its snapshot setting and None if CONFIG is not allowed. `needs_password` is whether the server refuses
    clients without one, and `is_replica` whether it refuses writes.
    """

    host: str
    port: int
    product: str
    version: str
    clock_offset: float
    max_memory: int
    used_memory: int
    eviction_policy: str
    append_only: bool
    save: str | None
    write_failures: tuple[str, ...]
    needs_password: bool
    is_replica: bool
    is_encrypted: bool
    clients: int
    max_clients: int


def probe_redis(url: str, clock: Clock) -> RedisFacts:
    """Return the state of the server at `url`. Raises Unreachable.

    Of Sentinels it is the state of the primary, of a Cluster that of the node with the revocations.
    """
    try:
        with _client(url) as connected:
            client = server_of(connected, STREAM)
            host, port = _address(client)
            started = clock()
            seconds, microseconds = client.time()
            offset = certain_offset(seconds + microseconds / 1_000_000, started, clock())
            info: Mapping[str, Any] = client.info()
            save = _allowed(lambda: str(client.config_get("save").get("save", "")))
    except (*REDIS_ERRORS, ValueError) as error:
        raise Unreachable(f"Redis of REDIS_URL does not answer: {redis_reason(error)}") from error
    is_valkey = "valkey_version" in info
    return RedisFacts(
        host=host,
        port=port,
        product="Valkey" if is_valkey else "Redis",
        version=str(info["valkey_version" if is_valkey else "redis_version"]),
        clock_offset=offset,
        max_memory=int(info.get("maxmemory", 0)),
        used_memory=int(info.get("used_memory", 0)),
        eviction_policy=str(info.get("maxmemory_policy", "noeviction")),
        append_only=bool(int(info.get("aof_enabled", 0))),
        save=save,
        write_failures=_write_failures(info),
        needs_password=_needs_password(url),
        is_replica=info.get("role") == "slave",
        is_encrypted=url.startswith("rediss"),
        clients=int(info.get("connected_clients", 0)),
        max_clients=int(info.get("maxclients", 0)),
    )


def _client(url: str) -> Redis:
    return redis_client(
        url,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )


def _address(server: Redis) -> tuple[str, int]:
    """Return the host, empty for a unix socket, and the port."""
    pool: Any = server.connection_pool
    if isinstance(pool, SentinelConnectionPool):
        host, port = pool.get_master_address()  # type: ignore[no-untyped-call]
    else:
        host, port = (pool.connection_kwargs.get(name, default) for name, default in (("host", ""), ("port", 0)))
    return str(host), int(port)


def _allowed(read: Callable[[], str]) -> str | None:
    """Return what `read` returns; None if the server does not allow the command, as hosted ones do with CONFIG."""
    try:
        return read()
    except ResponseError:
        return None


_STATES = {"aof_last_write_status": "the append-only file", "rdb_last_bgsave_status": "the snapshot"}


def _write_failures(info: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(file for state, file in _STATES.items() if info.get(state, "ok") != "ok")


def _needs_password(url: str) -> bool:
    """Return whether the server refuses a client that sends no password."""
    try:
        with _client(url) as connected:
            client = server_of(connected, STREAM)
            client.connection_pool.disconnect()
            for option in ("username", "password"):
                client.connection_pool.connection_kwargs.pop(option, None)
            client.ping()
    except (AuthenticationError, ResponseError):
        return True
    except (*REDIS_ERRORS, ValueError) as error:
        raise Unreachable(f"Redis of REDIS_URL does not answer: {redis_reason(error)}") from error
    return False
