"""The processes of a stack, started one by one so that a test can stop each of them.

`python -m stack` cannot be used for this: it stops when one of its processes ends.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from redis import Redis

from stack.address import Address, Port, UnixSocket
from stack.embedded_redis import find_server, redis_command
from stack.plan import ROOT, Plan, make_plan
from stack.processes.readiness import http_problem, redis_problem, wait_for_readiness
from stack.secrets_files import make_secrets
from stack.settings import read_settings
from tests.faults.support.managed_process import WAIT, ManagedProcess
from tests.ports import free_port
from tests.system.support.running_stack import Client, clean_environ

START_TIMEOUT = 60.0
"""Seconds that a service may take to start while others start as well."""

# Password hashing and rate limits would slow these tests down or refuse their many log-ins.
FAST_LOGINS = {"ARGON2_TIME_COST": "1", "ARGON2_MEMORY_COST": "8", "RATE_LIMITS": "off"}


@dataclass(slots=True)
class RunningSystem:
    """Redis, the auth service, the resource service and the gateways, with the gateways' URLs in `urls`."""

    plan: Plan
    redis: ManagedProcess
    auth: ManagedProcess
    resource: ManagedProcess
    gateways: list[ManagedProcess]
    urls: list[str]

    @property
    def url(self) -> str:
        """Return the URL of the first gateway."""
        return self.urls[0]

    @property
    def gateway(self) -> ManagedProcess:
        """Return the first gateway."""
        return self.gateways[0]

    @property
    def processes(self) -> tuple[ManagedProcess, ...]:
        """Return all processes in the order of their start."""
        return (self.redis, self.auth, self.resource, *self.gateways)

    @property
    def data_dir(self) -> Path:
        """Return the folder of databases, keys and secrets."""
        return self.plan.settings.data_dir

    def client(self, number: int = 0) -> Client:
        """Return a client of the gateway with this index."""
        return Client(self.urls[number])

    def redis_client(self) -> "Redis":
        """Return a client of the system's Redis."""
        return Redis.from_url(f"unix://{self.plan.redis_socket}", decode_responses=True)

    def metrics(self, number: int = 0) -> dict[str, float]:
        """Return the metrics of the gateway with this index: the values by name and labels."""
        address = self.gateways[number].command.environ["GATEWAY_INTERNAL_BIND"].removeprefix("unix:")
        lines = asyncio.run(_get(address, "/metrics")).splitlines()
        values = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in values}

    # -- start and stop ------------------------------------------------------------------------------------------

    def start_redis(self) -> None:
        """Start Redis and wait until it responds."""
        self.redis.start()
        asyncio.run(wait_for_readiness("redis", partial(redis_problem, UnixSocket(self.plan.redis_socket)), WAIT))

    def delete_redis_files(self) -> None:
        """Delete the data files of Redis, which must be stopped."""
        for file in self.plan.redis_folder.rglob("*"):
            if file.is_file():
                file.unlink()

    def start_auth(self) -> None:
        """Start the auth service and wait until it is ready."""
        self.auth.start()
        self.wait_for_auth()

    def wait_for_auth(self) -> None:
        """Wait until the auth service is ready."""
        wait_until_ready(self.auth, self.plan.settings.auth)

    @contextmanager
    def extra_auth_service(
        self, name: str, app: str | None = None, **environ: str
    ) -> Iterator[tuple[ManagedProcess, str]]:
        """Run one more auth service on the same stores; yield it when it is ready, and the value for AUTH_URL.

        `app` is the WSGI application as gunicorn names it, if it is not the service's own.
        """
        address = UnixSocket(self.plan.settings.run_dir / f"{name}.sock")
        internal = f"unix:{self.plan.settings.run_dir / name}-internal.sock"
        process = self.auth.variant(name, AUTH_BIND=address.bind, AUTH_INTERNAL_BIND=internal, **environ)
        if app is not None:
            argv = (sys.executable, "-m", "gunicorn", "-c", "python:auth_service.gunicorn_conf", app)
            process.command = replace(process.command, argv=argv)
        process.start()
        try:
            wait_until_ready(process, address)
            yield process, address.url
        finally:
            process.stop()

    @contextmanager
    def extra_gateway(self, name: str, *arguments: str, **environ: str) -> Iterator[tuple[ManagedProcess, str]]:
        """Run one more gateway with other settings; yield it when it is ready, and its URL."""
        port = free_port()
        arguments = ("--pid", str(self.plan.settings.run_dir / f"{name}.pid"), *arguments)
        process = self.gateway.variant(name, *arguments, **gateway_addresses(self.plan, name, port), **environ)
        process.start()
        try:
            wait_until_ready(process, Port("127.0.0.1", port))
            yield process, f"http://127.0.0.1:{port}"
        finally:
            process.stop()

    @contextmanager
    def extra_gateway_with_routes(
        self, name: str, more_routes: str, **environ: str
    ) -> Iterator[tuple[ManagedProcess, str]]:
        """Run one more gateway, whose routes file is the shipped one followed by `more_routes`."""
        file = self.data_dir / f"{name}.routes.toml"
        file.write_text((ROOT / "gateway" / "routes.toml").read_text() + more_routes)
        secret = (self.data_dir / "notes.secret").read_text()
        with self.extra_gateway(name, GATEWAY_ROUTES=str(file), IDENTITY_SECRET=secret, **environ) as started:
            yield started


@contextmanager
def running_system(*, gateways: int = 1, **settings: str) -> Iterator[RunningSystem]:
    """Start a system in a temporary folder and yield it when it is ready; stop it when the block ends."""
    with tempfile.TemporaryDirectory(prefix="sallyport-") as folder:
        system = _plan(Path(folder), gateways, settings)
        try:
            _start(system)
            yield system
        finally:
            for process in reversed(system.processes):
                process.kill()


def wait_until_ready(process: ManagedProcess, address: Address) -> None:
    """Wait until /readyz at `address` responds with 200."""
    asyncio.run(wait_for_readiness(process.name, partial(http_problem, address, "/readyz"), START_TIMEOUT))


def gateway_addresses(plan: Plan, name: str, port: int) -> dict[str, str]:
    """Return the settings for the addresses that a gateway listens on."""
    return {
        "GATEWAY_BIND": f"127.0.0.1:{port}",
        "GATEWAY_INTERNAL_BIND": f"unix:{plan.settings.run_dir / name}.sock",
    }


def _plan(folder: Path, gateways: int, settings: Mapping[str, str]) -> RunningSystem:
    environ = {
        **clean_environ(),
        "LOG_FORMAT": "json",
        "DATA_DIR": str(folder),
        "GATEWAY_PORT": str(free_port()),
        **FAST_LOGINS,
        **settings,
    }
    plan = make_plan(read_settings(environ, folder))
    plan.settings.run_dir.mkdir(mode=0o700)
    plan.redis_folder.mkdir(mode=0o700)
    make_secrets(folder, plan.settings.generated)
    redis = ManagedProcess(redis_command(find_server(), plan.redis_socket, plan.redis_folder, {"PATH": os.defpath}))
    auth, resource = (ManagedProcess(command) for command in plan.services)
    ports = [free_port() for _ in range(gateways)]
    gateway_processes = [
        ManagedProcess(plan.gateway).variant(
            f"gateway{number}",
            *("--pid", str(plan.settings.run_dir / f"gateway{number}.pid")),
            **gateway_addresses(plan, f"gateway{number}", port),
        )
        for number, port in enumerate(ports)
    ]
    return RunningSystem(
        plan, redis, auth, resource, gateway_processes, [f"http://127.0.0.1:{port}" for port in ports]
    )


def _start(system: RunningSystem) -> None:
    system.start_redis()
    for process in (system.auth, system.resource, *system.gateways):
        process.start()
    wait_until_ready(system.auth, system.plan.settings.auth)
    wait_until_ready(system.resource, system.plan.settings.resource)
    for process, url in zip(system.gateways, system.urls, strict=True):
        wait_until_ready(process, Port("127.0.0.1", int(url.rpartition(":")[2])))


async def _get(socket: str, path: str) -> str:
    reader, writer = await asyncio.open_unix_connection(socket)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    async with asyncio.timeout(WAIT):
        response = (await reader.read()).decode()
    writer.close()
    return response.partition("\r\n\r\n")[2]
