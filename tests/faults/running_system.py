"""The system as the stack plans it, in parts that may fail one by one; the stack itself would stop."""

import asyncio
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from redis import Redis

from stack.address import Address, Port, UnixSocket
from stack.embedded_redis import find_server, redis_command
from stack.plan import Plan, make_plan
from stack.processes.readiness import http_problem, redis_problem, wait_for
from stack.secrets_files import make_secrets
from stack.settings import read_settings
from tests.faults.part import WAIT, Part
from tests.ports import free_port
from tests.system.running_stack import Client, clean_environ

START = 60.0
"""Seconds that a service may take to start while others start too."""

# What a password's hash costs is not what these tests look at.
CHEAP = {"ARGON2_TIME_COST": "1", "ARGON2_MEMORY_COST": "8", "RATE_LIMITS": "off"}


@dataclass(slots=True)
class RunningSystem:
    """Redis, the auth service, the resource service and gateways; `url` is the first gateway's."""

    plan: Plan
    redis: Part
    auth: Part
    resource: Part
    gateways: list[Part]
    urls: list[str]

    @property
    def url(self) -> str:
        """The URL of the first gateway."""
        return self.urls[0]

    @property
    def gateway(self) -> Part:
        """The first gateway."""
        return self.gateways[0]

    @property
    def parts(self) -> tuple[Part, ...]:
        """All parts, in the order of their start."""
        return (self.redis, self.auth, self.resource, *self.gateways)

    @property
    def data_dir(self) -> Path:
        """The folder of databases, keys and secrets."""
        return self.plan.settings.data_dir

    def client(self, number: int = 0) -> Client:
        """Return a client of the gateway with this number."""
        return Client(self.urls[number])

    def redis_client(self) -> "Redis":
        """A client that inspects or empties Redis."""
        return Redis.from_url(f"unix://{self.plan.redis_socket}", decode_responses=True)

    def metrics(self, number: int = 0) -> dict[str, float]:
        """Return a gateway's metrics: the value of each, by name and labels."""
        address = self.gateways[number].command.environ["GATEWAY_INTERNAL_BIND"].removeprefix("unix:")
        lines = asyncio.run(_get(address, "/metrics")).splitlines()
        values = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in values}

    # -- coming up and going down ------------------------------------------------------------------------------

    def start_redis(self) -> None:
        """Start Redis and return once it responds."""
        self.redis.start()
        asyncio.run(wait_for("redis", partial(redis_problem, UnixSocket(self.plan.redis_socket)), WAIT))

    def empty_redis_folder(self) -> None:
        """Delete Redis's files, as on a new machine."""
        for file in self.plan.redis_folder.rglob("*"):
            if file.is_file():
                file.unlink()

    def start_auth(self) -> None:
        """Start the auth service and return once it is ready."""
        self.auth.start()
        self.wait_for_auth()

    def wait_for_auth(self) -> None:
        """Return once the auth service is ready."""
        wait_until_ready(self.auth, self.plan.settings.auth)

    @contextmanager
    def another_auth(self, name: str, *words: str, **environ: str) -> Iterator[tuple[Part, str]]:
        """Start a second auth service on the same stores; return it, ready, with its AUTH_URL for a gateway."""
        address = UnixSocket(self.plan.settings.run_dir / f"{name}.sock")
        part = self.auth.beside(name, *words, AUTH_BIND=address.bind, **environ)
        part.start()
        try:
            wait_until_ready(part, address)
            yield part, address.url
        finally:
            part.stop()

    @contextmanager
    def another_gateway(self, name: str, *words: str, **environ: str) -> Iterator[tuple[Part, str]]:
        """Start another gateway with these settings; it is stopped when the block ends."""
        port = free_port()
        words = ("--pid", str(self.plan.settings.run_dir / f"{name}.pid"), *words)
        part = self.gateway.beside(name, *words, **gateway_addresses(self.plan, name, port), **environ)
        part.start()
        try:
            wait_until_ready(part, Port("127.0.0.1", port))
            yield part, f"http://127.0.0.1:{port}"
        finally:
            part.stop()


@contextmanager
def running_system(*, gateways: int = 1, **settings: str) -> Iterator[RunningSystem]:
    """A private system that is ready. Its folder is deleted afterwards."""
    with tempfile.TemporaryDirectory(prefix="sallyport-") as folder:
        system = _plan(Path(folder), gateways, settings)
        try:
            _bring_up(system)
            yield system
        finally:
            for part in reversed(system.parts):
                part.kill()


def wait_until_ready(part: Part, address: Address) -> None:
    """Return once /readyz there is a 200."""
    asyncio.run(wait_for(part.name, partial(http_problem, address, "/readyz"), START))


def gateway_addresses(plan: Plan, name: str, port: int) -> dict[str, str]:
    """Return the settings of a gateway's listen addresses."""
    return {
        "GATEWAY_BIND": f"127.0.0.1:{port}",
        "GATEWAY_INTERNAL_BIND": f"unix:{plan.settings.run_dir / name}.sock",
    }


def _plan(folder: Path, gateways: int, settings: Mapping[str, str]) -> RunningSystem:
    environ = {**clean_environ(), "DATA_DIR": str(folder), "GATEWAY_PORT": str(free_port()), **CHEAP, **settings}
    plan = make_plan(read_settings(environ, folder))
    plan.settings.run_dir.mkdir(mode=0o700)
    plan.redis_folder.mkdir(mode=0o700)
    make_secrets(folder, plan.settings.generated)
    redis = Part(redis_command(find_server(), plan.redis_socket, plan.redis_folder, {"PATH": os.defpath}))
    auth, resource = (Part(command) for command in plan.services)
    ports = [free_port() for _ in range(gateways)]
    fronts = [
        Part(plan.front).beside(
            f"gateway{number}",
            *("--pid", str(plan.settings.run_dir / f"gateway{number}.pid")),
            **gateway_addresses(plan, f"gateway{number}", port),
        )
        for number, port in enumerate(ports)
    ]
    return RunningSystem(plan, redis, auth, resource, fronts, [f"http://127.0.0.1:{port}" for port in ports])


def _bring_up(system: RunningSystem) -> None:
    system.start_redis()
    for command in system.plan.migrations:
        migration = Part(command)
        migration.start()
        status = migration.wait()
        migration.kill()
        assert status == 0, migration.last_words()
    for part in (system.auth, system.resource, *system.gateways):
        part.start()
    wait_until_ready(system.auth, system.plan.settings.auth)
    wait_until_ready(system.resource, system.plan.settings.resource)
    for part, url in zip(system.gateways, system.urls, strict=True):
        wait_until_ready(part, Port("127.0.0.1", int(url.rpartition(":")[2])))


async def _get(socket: str, path: str) -> str:
    reader, writer = await asyncio.open_unix_connection(socket)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    async with asyncio.timeout(WAIT):
        answer = (await reader.read()).decode()
    writer.close()
    return answer.partition("\r\n\r\n")[2]
