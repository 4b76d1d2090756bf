"""Make the Redis clients of all services from REDIS_URL: of one server, of a Sentinel's primary, or of a Cluster."""

from typing import Any, cast

from redis import Redis, RedisCluster, RedisError
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio import RedisCluster as AsyncRedisCluster
from redis.asyncio.cluster import ClusterNode as AsyncClusterNode
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.asyncio.sentinel import SentinelConnectionPool as AsyncSentinelConnectionPool
from redis.cluster import ClusterNode
from redis.exceptions import RedisClusterException
from redis.sentinel import Sentinel

from chassis.redis_url import RedisUrl, parse_redis_url

REDIS_ERRORS = (RedisError, RedisClusterException, OSError)
"""What a failing command raises. RedisClusterException is no RedisError: no node of the Cluster replied."""

_STARTUP_NODES_STAY: dict[str, Any] = {"dynamic_startup_nodes": False}
"""The nodes of REDIS_URL are asked again after an outage: their names stay valid if all addresses have changed."""


def is_cluster(url: str) -> bool:
    """Return whether `url` is that of a Cluster."""
    return parse_redis_url(url).topology == "cluster"


def redis_client(url: str, **options: Any) -> Redis:
    """Return a client for threads. `options` are those of redis-py. That of a Cluster connects at once.

    The client of a Cluster has the type RedisCluster, which has the commands of Redis. Raises REDIS_ERRORS.
    """
    parsed = parse_redis_url(url)
    if parsed.topology == "server":
        return Redis.from_url(url, **options)
    if parsed.topology == "sentinel":
        sentinel = Sentinel(parsed.nodes, sentinel_kwargs=_sentinel_options(parsed, options))  # type: ignore[no-untyped-call]
        return cast(Redis, sentinel.master_for(parsed.service, **{**options, **parsed.options}))  # type: ignore[no-untyped-call]
    nodes = [ClusterNode(host, port) for host, port in parsed.nodes]  # type: ignore[no-untyped-call]
    cluster = RedisCluster(startup_nodes=nodes, **_STARTUP_NODES_STAY, **{**options, **parsed.options})
    return cast(Redis, cluster)


def async_redis_client(url: str, **options: Any) -> "AsyncRedis":
    """Return a client for asyncio. `options` are those of redis-py. It connects with its first command.

    The client of a Cluster has the type RedisCluster of redis.asyncio, which has the commands of Redis.
    """
    parsed = parse_redis_url(url)
    if parsed.topology == "server":
        return AsyncRedis.from_url(url, **options)
    if parsed.topology == "sentinel":
        sentinel = AsyncSentinel(parsed.nodes, sentinel_kwargs=_sentinel_options(parsed, options))  # type: ignore[no-untyped-call]
        return cast(
            AsyncRedis,
            sentinel.master_for(
                parsed.service, connection_pool_class=_PrimaryConnectionPool, **{**options, **parsed.options}
            ),
        )
    nodes = [AsyncClusterNode(host, port) for host, port in parsed.nodes]
    cluster = AsyncRedisCluster(startup_nodes=nodes, **_STARTUP_NODES_STAY, **{**options, **parsed.options})
    return cast(AsyncRedis, cluster)


def server_of(client: Any, key: str) -> Redis:
    """Return a client of the server itself that has `key`: of a Cluster the node, as far as the client knows."""
    if not isinstance(client, RedisCluster):
        return cast(Redis, client)
    server: Redis = client.get_redis_connection(client.get_node_from_key(key))  # type: ignore[no-untyped-call]
    return server


class _PrimaryConnectionPool(AsyncSentinelConnectionPool):
    """Closes the connections to the Sentinels with those to the primary, which redis-py leaves open."""

    async def disconnect(self, inuse_connections: bool = True) -> None:
        await super().disconnect(inuse_connections)
        if inuse_connections:  # otherwise the primary has changed, and the pool is used further
            await self.sentinel_manager.aclose()


def _sentinel_options(parsed: RedisUrl, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of connections to the Sentinels: the client's timeouts, and what REDIS_URL has for them."""
    shared = {name: value for name, value in options.items() if name.startswith("socket_") or name == "retry"}
    return {**shared, "driver_info": None, **parsed.sentinel_options}
