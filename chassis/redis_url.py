"""The forms of REDIS_URL: one server, a primary that Sentinels name, or a Cluster.

    redis://[user:password@]host:port/db, rediss:// with TLS, unix:///path
    redis+sentinel://[user:password@]host:port,host:port/service/db, rediss+sentinel:// with TLS
    redis+cluster://[user:password@]host:port,host:port, rediss+cluster:// with TLS

Options of redis-py may follow after `?`, such as `ssl_ca_certs=/path`. The user and password are those of the data
servers. The Sentinels have their own: `?sentinel_username=...&sentinel_password=...`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

from redis import RedisError, SSLConnection
from redis.connection import Connection, parse_url

SENTINEL_PORT = 26379
SERVER_PORT = 6379

_FORMS = (
    "must be a redis://, rediss:// or unix:// URL, redis+sentinel://host:port,host:port/service/db "
    "or redis+cluster://host:port,host:port (rediss+sentinel:// and rediss+cluster:// with TLS)"
)
_ENCODING = "in a password, write ?, #, /, @ and % in percent-encoding"
_POOL_OPTIONS = ("max_connections", "timeout")

Topology = Literal["server", "sentinel", "cluster"]
Node = tuple[str, int]


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """A parsed REDIS_URL.

    `url` is for redis-py if the topology is "server". Otherwise `nodes` are the Sentinels or some nodes of the
    Cluster, `options` are for connections to the data servers, and `sentinel_options` for those to the Sentinels.
    """

    topology: Topology
    url: str = field(repr=False)
    nodes: tuple[Node, ...] = ()
    service: str = ""
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    sentinel_options: Mapping[str, Any] = field(default_factory=dict, repr=False)


def parse_redis_url(url: str) -> RedisUrl:
    """Return the parts of `url`. Raises ValueError with a message that shows no part of the password."""
    scheme = url.partition("://")[0]
    if scheme in {"redis", "rediss", "unix"}:
        _connection_options(url)
        return RedisUrl("server", url)
    base, _, topology = scheme.partition("+")
    if base not in {"redis", "rediss"}:
        raise ValueError(_FORMS)
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(f"{_FORMS}; {_ENCODING}") from None
    if topology == "sentinel":
        return _sentinel_url(url, base, parts)
    if topology == "cluster":
        return _cluster_url(url, base, parts)
    raise ValueError(_FORMS)


def check_redis_url(url: str) -> str:
    """Return `url`. Raises ValueError if it has no supported form."""
    parse_redis_url(url)
    return url


def _sentinel_url(url: str, base: str, parts: SplitResult) -> RedisUrl:
    service, _, database = parts.path.removeprefix("/").partition("/")
    if not service:
        raise ValueError("names no service: write redis+sentinel://host:port,host:port/service/db")
    if database and not database.isdecimal():
        raise ValueError("has a database that is not a number: write redis+sentinel://host:port,host:port/service/0")
    nodes, userinfo = _nodes(parts.netloc, SENTINEL_PORT)
    query = dict(parse_qsl(parts.query))
    own = {name: query.pop(f"sentinel_{name}", None) for name in ("username", "password")}
    options = _connection_options(f"{base}://{userinfo}localhost/{database}?{urlencode(query)}")
    tls = {name: value for name, value in options.items() if name.startswith("ssl")}
    sentinel_options = {**tls, **{name: value for name, value in own.items() if value}}
    return RedisUrl("sentinel", url, nodes, unquote(service), options, sentinel_options)


def _cluster_url(url: str, base: str, parts: SplitResult) -> RedisUrl:
    if parts.path.strip("/") not in {"", "0"}:
        raise ValueError("names a database, but a Cluster has only the database 0")
    nodes, userinfo = _nodes(parts.netloc, SERVER_PORT)
    options = _connection_options(f"{base}://{userinfo}localhost?{parts.query}")
    return RedisUrl("cluster", url, nodes, options=options)


def _nodes(netloc: str, default_port: int) -> tuple[tuple[Node, ...], str]:
    """Return the hosts and ports, and the user and password with their "@"."""
    credentials, at, hosts = netloc.rpartition("@")
    nodes = tuple(_node(host, number, default_port) for number, host in enumerate(hosts.split(","), 1))
    return nodes, credentials + at


def _node(host_and_port: str, number: int, default_port: int) -> Node:
    # The text is not repeated: if the password contains a "/", a part of it is here.
    try:
        split = urlsplit(f"//{host_and_port}")
        host, port = split.hostname, split.port
    except ValueError:
        raise ValueError(f"has an invalid port in address {number}: write host:port; {_ENCODING}") from None
    if not host or port == 0:
        raise ValueError(f"has no host or port in address {number}: write host:port; {_ENCODING}")
    return host, port or default_port


def _connection_options(url: str) -> dict[str, Any]:
    """Return the options of redis-py in the URL of one server, without its host. Raises ValueError."""
    try:
        options: dict[str, Any] = dict(parse_url(url))  # type: ignore[no-untyped-call]
        connection_class = options.pop("connection_class", Connection)
        connection_class(**{name: value for name, value in options.items() if name not in _POOL_OPTIONS})
    except (ValueError, TypeError, RedisError):  # the message may contain a part of the password
        raise ValueError(
            "must be redis://host:port, rediss://host:port or unix:///path, with options of redis-py only; "
            + _ENCODING
        ) from None
    for name in ("host", "port", "path"):
        options.pop(name, None)
    if issubclass(connection_class, SSLConnection):
        options["ssl"] = True
    return options
