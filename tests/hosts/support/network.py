"""Network namespaces as hosts: each has one interface at a common switch. Needs root, iproute2, nftables and ethtool.

Nothing is changed in the namespace of the machine itself. The names of the hosts resolve on every host.
"""

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stack.plan import ROOT

SUBNET = "10.99.0"
_CLONE_NEWNET = 0x40000000
_NAMESPACES = Path("/run/netns")
_ETC = Path("/etc/netns")
"""`ip netns exec` mounts the files of /etc/netns/NAMESPACE over those of /etc."""


class NetworkError(Exception):
    """A command that changes the network failed. The message contains its output."""


@dataclass(frozen=True, slots=True)
class Host:
    """A host: its name, its namespace and its address."""

    name: str
    namespace: str
    address: str

    @property
    def prefix(self) -> tuple[str, ...]:
        """Return the words that run a command on this host."""
        return ("ip", "netns", "exec", self.namespace)


class Network:
    """A switch (a bridge in a namespace of its own) and hosts at it.

    `aliases` are names that stand for several hosts, such as a service with two instances.
    """

    def __init__(self, names: Sequence[str], aliases: Mapping[str, Sequence[str]]) -> None:
        self._switch = f"sallyport-{os.getpid()}-switch"
        self.hosts = {
            name: Host(name, f"sallyport-{os.getpid()}-{name}", f"{SUBNET}.{number}")
            for number, name in enumerate(names, start=10)
        }
        lines = [f"{host.address} {host.name}" for host in self.hosts.values()]
        lines += [f"{self.hosts[name].address} {alias}" for alias, names in aliases.items() for name in names]
        self._names = "\n".join(["127.0.0.1 localhost", *lines, ""])

    def make(self) -> None:
        """Make the switch and the hosts. Raises NetworkError; then nothing is left."""
        try:
            _run("ip", "netns", "add", self._switch)
            self._at_switch("ip", "link", "add", "switch", "type", "bridge")
            self._at_switch("ip", "link", "set", "switch", "up")
            # The rules of partitions: packets between two addresses of a pair are dropped.
            self._at_switch("nft", "add table bridge partitions")
            chain = "{ type filter hook forward priority 0; }"
            self._at_switch("nft", f"add chain bridge partitions forward {chain}")
            for host in self.hosts.values():
                self._add(host)
        except NetworkError:
            self.remove()
            raise

    def remove(self) -> None:
        """Remove the switch and the hosts."""
        for namespace in (*(host.namespace for host in self.hosts.values()), self._switch):
            if (_NAMESPACES / namespace).exists():
                _run("ip", "netns", "delete", namespace)
            shutil.rmtree(_ETC / namespace, ignore_errors=True)

    @contextmanager
    def entered(self, name: str) -> Iterator[None]:
        """Move this thread to a host for the duration of the block; threads that it starts meanwhile stay there."""
        with (
            open("/proc/thread-self/ns/net", "rb") as before,
            (_NAMESPACES / self.hosts[name].namespace).open() as there,
        ):
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(before.fileno())

    # -- faults --------------------------------------------------------------------------------------------------

    @contextmanager
    def partitioned(self, pairs: Sequence[tuple[str, str]]) -> Iterator[None]:
        """Drop all packets between the hosts of each pair for the duration of the block; neither is told."""
        for one, other in pairs:
            first, second = self.hosts[one].address, self.hosts[other].address
            for source, target in ((first, second), (second, first)):
                rule = f"add rule bridge partitions forward ip saddr {source} ip daddr {target} drop"
                self._at_switch("nft", rule)
        try:
            yield
        finally:
            self._at_switch("nft", "flush chain bridge partitions forward")

    def cut(self, name: str) -> None:
        """Take the host's port at the switch down: nothing that it sends arrives, nor a reset of its connections."""
        self._at_switch("ip", "link", "set", name, "nomaster")

    def connect(self, name: str) -> None:
        """Connect a host to the switch."""
        self._at_switch("ip", "link", "set", name, "master", "switch")

    @contextmanager
    def slow_link(self, name: str, delay: float, loss: float) -> Iterator[None]:
        """Delay each packet of the host by `delay` seconds in both directions, and drop the share `loss` of them.

        A process forwards the packets between the host's port and the switch, because `tc netem` is missing in many
        kernels of virtual machines.
        """
        port, plug = f"{name}-slow", f"{name}-plug"
        self._at_switch("ip", "link", "add", "name", port, "type", "veth", "peer", "name", plug)
        for interface in (port, plug):
            self._at_switch("ip", "link", "set", interface, "up")
        relay = subprocess.Popen(
            [
                *self._switch_prefix,
                *(sys.executable, "-m", "tests.hosts.support.slow_link", name, plug, str(delay), str(loss)),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        assert relay.stdout is not None
        try:
            assert relay.stdout.readline() == b"ready\n"
            self.cut(name)
            self.connect(port)
            yield
        finally:
            relay.terminate()
            relay.wait(20)
            relay.stdout.close()
            self._at_switch("ip", "link", "delete", port)
            self.connect(name)

    # -- helpers -------------------------------------------------------------------------------------------------

    @property
    def _switch_prefix(self) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self._switch)

    def _at_switch(self, *command: str) -> None:
        _run(*self._switch_prefix, *command)

    def _add(self, host: Host) -> None:
        folder = _ETC / host.namespace
        folder.mkdir(parents=True)
        (folder / "hosts").write_text(self._names)
        _run("ip", "netns", "add", host.namespace)
        _run(
            "ip",
            "-n",
            self._switch,
            "link",
            "add",
            "name",
            host.name,
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            host.namespace,
        )
        # Without checksum offload, packets are complete when another process forwards them.
        self._at_switch("ethtool", "-K", host.name, "tx", "off")
        _run(*host.prefix, "ethtool", "-K", "eth0", "tx", "off")
        self._at_switch("ip", "link", "set", host.name, "master", "switch", "up")
        for words in (
            f"address add {host.address}/24 dev eth0",
            "link set eth0 up",
            "link set lo up",
        ):
            _run("ip", "-n", host.namespace, *words.split())


def missing_programs() -> list[str]:
    """Return the names of programs that a network needs and that are not installed."""
    return [name for name in ("ip", "nft", "ethtool") if shutil.which(name) is None]


def _enter(descriptor: int) -> None:
    """Call setns(2), which the os module has since Python 3.12."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise NetworkError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}")
