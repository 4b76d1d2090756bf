"""The system on eleven hosts: an edge, two of each service, PostgreSQL, Redis with a replica, and the clients.

Each process has production settings, only its own secrets, and listens on its host's address.
"""

import asyncio
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from redis import Redis

from stack.address import Port
from stack.embedded_redis import find_server
from stack.plan import ROOT, Command
from stack.processes.readiness import http_problem, listening_problem, wait_for_readiness
from stack.secrets_files import make_secrets
from stack.settings import SECRETS
from tests.faults.support.managed_process import ManagedProcess
from tests.faults.support.polling import wait_until
from tests.hosts.support.network import SUBNET, Network
from tests.postgres import find_program
from tests.system.support.running_edge import HAPROXY
from tests.system.support.running_stack import clean_environ

GATEWAYS, AUTH, NOTES = ("gateway1", "gateway2"), ("auth1", "auth2"), ("notes1", "notes2")
SERVICES = (*AUTH, *NOTES, *GATEWAYS)
HOSTS = ("clients", "edge", *SERVICES, "postgres", "redis", "replica")
ALIASES = {"gateway": GATEWAYS, "auth": AUTH, "notes": NOTES}

PORT = 8000
START_SECONDS = 120.0
"""For one process: the machine of the tests may be slow, and other processes start as well."""
HEALTH_CHECK = '{ path = "/healthz", interval = 1, timeout = 1, unhealthy_after = 2 }'
STEPPED_CLOCK = ROOT / "tests" / "hosts" / "support" / "stepped_clock"
GRACE = 1
"""REFRESH_GRACE of the deployment, in seconds."""

_DATABASES = ("auth", "notes")
_SECRETS_OF: Mapping[str, Mapping[str, str]] = {
    "gateway": {"PEER_SECRET": "peer.secret", "REDIS_URL": "redis.url"},
    "auth": {
        "SIGNING_KEY": "signing.pem",
        "REFRESH_SECRET": "refresh.secret",
        "PEER_SECRET": "peer.secret",
        "DATABASE_URL": "auth.url",
        "REDIS_URL": "redis.url",
    },
    "notes": {"IDENTITY_SECRET": "notes.secret", "DATABASE_URL": "notes.url"},
}
"""The secrets of each kind of host: settings and their files."""
_MODULES = {"auth": "auth_service", "notes": "resource_service"}


class Deployment:
    """The processes of the hosts, in `processes` by the host's name. `code` is the checkout that the services run."""

    def __init__(self, network: Network, folder: Path, code: Path = ROOT) -> None:
        self.network = network
        self._folder = folder
        self.code = code
        self.processes: dict[str, ManagedProcess] = {}
        self._clocks: set[str] = set()

    @property
    def url(self) -> str:
        """Return the URL of the edge, for clients."""
        return self.url_of("edge")

    def url_of(self, host: str) -> str:
        """Return the URL at which a host listens."""
        return f"http://{self.network.hosts[host].address}:{PORT}"

    def start(self) -> None:
        """Create the secrets and the databases, and start every process. The caller stops what was started."""
        self._make_secrets()
        self._start_postgres()
        self._start_redis()
        self.migrate()
        for host in SERVICES:
            self.start_service(host)
        for host in SERVICES:
            self.wait_for(host)
        self._start("edge", (str(HAPROXY), "-db", "-f", str(self._write("edge", "haproxy.cfg", self._haproxy()))))
        asyncio.run(self._wait_for_http("edge", "/readyz"))

    def stop(self) -> None:
        """Kill every process."""
        for process in reversed(self.processes.values()):
            process.kill()

    def migrate(self) -> None:
        """Migrate both databases with the services' own command."""
        for host in ("auth1", "notes1"):
            command = self._command(host, "migrate")
            done = subprocess.run(
                command.argv, env=dict(command.environ), cwd=self.code, capture_output=True, text=True, timeout=120
            )
            assert done.returncode == 0, done.stdout + done.stderr

    def start_service(self, host: str) -> None:
        """Start the service of a host, without waiting until it is ready."""
        if host in GATEWAYS:
            self._write(host, "routes.toml", self._routes())
        self._run(host, self._command(host, "serve"))

    def wait_for(self, host: str) -> None:
        """Wait until the service of a host is ready."""
        asyncio.run(self._wait_for_http(host, "/readyz"))

    # -- faults and upgrades -------------------------------------------------------------------------------------

    def lose(self, host: str) -> None:
        """Cut a host off and kill its process, as when its power fails: no connection is closed."""
        self.network.cut(host)
        self.processes[host].kill()

    def recover(self, host: str) -> None:
        """Connect a lost host, start its service and wait until it is ready."""
        self.network.connect(host)
        self.start_service(host)
        self.wait_for(host)

    def restart(self, host: str) -> None:
        """Stop a service with SIGTERM, start it with the current code and settings, and wait until it is ready."""
        self.processes[host].stop()
        self.start_service(host)
        self.wait_for(host)

    def give_clock(self, host: str) -> None:
        """Restart a service with a clock of its own, which `step_clock` can step."""
        self._clocks.add(host)
        self.step_clock(host, 0)
        self.restart(host)

    def take_clock(self, host: str) -> None:
        """Restart a service with the clock of the machine."""
        self._clocks.discard(host)
        self.restart(host)

    def step_clock(self, host: str, seconds: float) -> None:
        """Set the clock of a host `seconds` ahead of that of the others. Its processes see it within a second."""
        file = self._clock_file(host)
        file.with_suffix(".new").write_text(f"{seconds:+}\n")
        os.replace(file.with_suffix(".new"), file)

    # -- commands ------------------------------------------------------------------------------------------------

    def _command(self, host: str, verb: str) -> Command:
        kind = host.rstrip("12")
        address = self.network.hosts[host].address
        environ = {
            **clean_environ(),
            "APP_ENV": "production",
            "LOG_FORMAT": "json",
            "PYTHONPATH": str(self.code),
            "PYTHONUNBUFFERED": "1",
            **{f"{setting}_FILE": str(self._folder / host / file) for setting, file in _SECRETS_OF[kind].items()},
        }
        match kind:
            case "gateway":
                environ |= {
                    "GATEWAY_BIND": f"{address}:{PORT}",
                    "GATEWAY_ROUTES": str(self._folder / host / "routes.toml"),
                    "DATA_DIR": str(self._folder / host),
                    "AUTH_URL": f"http://auth:{PORT}",
                    "RESOURCE_URL": f"http://notes:{PORT}",
                    "PROXY_PROTOCOL": "v2",
                    "TRUSTED_PROXIES": self.network.hosts["edge"].address,
                }
                words: tuple[str, ...] = ("gunicorn", "-c", "python:gateway.gunicorn_conf")
            case "auth":
                environ |= {
                    "AUTH_BIND": f"{address}:{PORT}",
                    "DATA_DIR": str(self._folder / host),
                    "MAIL_WITHOUT_SMTP": "folder",
                    "REFRESH_GRACE": str(GRACE),
                }
                words = (_MODULES[kind], verb)
            case _:
                environ |= {"RESOURCE_BIND": f"{address}:{PORT}"}
                words = (_MODULES[kind], verb)
        if host in self._clocks:
            environ |= {
                "CLOCK_STEP_FILE": str(self._clock_file(host)),
                "PYTHONPATH": f"{STEPPED_CLOCK}:{self.code}",
            }
        words = (*self.network.hosts[host].prefix, "env", f"--chdir={self.code}", sys.executable, "-m", *words)
        return Command(host, words, environ)

    def _clock_file(self, host: str) -> Path:
        return self._folder / host / "clock"

    def _start(self, host: str, words: tuple[str, ...]) -> None:
        self._run(host, Command(host, (*self.network.hosts[host].prefix, *words), clean_environ()))

    def _run(self, host: str, command: Command) -> None:
        """Start a process, which keeps the log lines of the one before it on this host."""
        process = self.processes.setdefault(host, ManagedProcess(command))
        process.kill()
        process.command = replace(command)
        process.start()

    # -- stores --------------------------------------------------------------------------------------------------

    def _start_postgres(self) -> None:
        folder = self._folder / "postgres"
        data, owner = folder / "data", ("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups")
        initdb, server, psql = (str(find_program(name)) for name in ("initdb", "postgres", "psql"))
        folder.chmod(0o755)
        subprocess.run(["chown", "-R", "postgres:", str(folder)], check=True)
        words = [initdb, "-D", str(data), "-U", "postgres", "--auth=trust", "--no-sync", "--encoding=UTF8"]
        subprocess.run([*owner, *words], check=True, capture_output=True, cwd="/", timeout=120)
        with (data / "pg_hba.conf").open("a") as file:
            file.writelines(f"host {name} {name} {SUBNET}.0/24 scram-sha-256\n" for name in _DATABASES)
        options = ("-c", f"listen_addresses={self.network.hosts['postgres'].address}", "-c", "max_connections=200")
        self._start("postgres", (*owner, server, "-D", str(data), "-k", str(folder), *options))
        client = [psql, "-h", str(folder), "-U", "postgres", "-v", "ON_ERROR_STOP=1", "-q"]
        wait_until(lambda: subprocess.run([*client, "-c", ""], capture_output=True).returncode == 0, START_SECONDS)
        for name in _DATABASES:
            # By standard input: the password is in no command line.
            role = f"CREATE ROLE {name} LOGIN PASSWORD '{self._passwords[name]}';"
            statements = f"{role} CREATE DATABASE {name} OWNER {name}; REVOKE ALL ON DATABASE {name} FROM PUBLIC;"
            script = statements.replace("; ", ";\n")
            subprocess.run(client, input=script, text=True, check=True, capture_output=True, timeout=60)

    def _start_redis(self) -> None:
        primary = self.network.hosts["redis"].address
        for host, more in (("redis", ()), ("replica", (f"replicaof {primary} 6379",))):
            lines = [
                f"bind {self.network.hosts[host].address}",
                f"dir {self._folder / host}",
                f"requirepass {self._passwords['redis']}",
                f"masterauth {self._passwords['redis']}",
                "appendonly yes",
                'save ""',
                "maxmemory-policy noeviction",
                *more,
            ]
            self._start(host, (str(find_server()), str(self._write(host, "redis.conf", "\n".join(lines)))))
            address = Port(self.network.hosts[host].address, 6379)
            asyncio.run(wait_for_readiness(host, partial(listening_problem, address), START_SECONDS))
        replica = Redis(self.network.hosts["replica"].address, password=self._passwords["redis"])
        with replica:
            wait_until(lambda: replica.info("replication").get("master_link_status") == "up", START_SECONDS)

    # -- files ---------------------------------------------------------------------------------------------------

    def _make_secrets(self) -> None:
        """Give each host a folder with the files of its own secrets."""
        common = self._folder / "common"
        common.mkdir(mode=0o700)
        make_secrets(common, SECRETS)
        self._passwords = {name: secrets.token_hex(16) for name in (*_DATABASES, "redis")}
        urls = {
            f"{name}.url": f"postgresql://{name}:{self._passwords[name]}@postgres/{name}" for name in _DATABASES
        } | {"redis.url": f"redis://:{self._passwords['redis']}@redis:6379/0"}
        self._folder.chmod(0o755)  # the user postgres enters its own folder
        for host in HOSTS:
            (self._folder / host).mkdir(mode=0o700)
            kind = host.rstrip("12")
            for file in _SECRETS_OF.get(kind, {}).values():
                self._write(host, file, urls.get(file) or (common / file).read_text())
            if kind == "gateway":
                self._write(host, "notes.secret", (common / "notes.secret").read_text())

    def _routes(self) -> str:
        """Return the routes file of the running release, with health checks."""
        routes = (self.code / "gateway" / "routes.toml").read_text()
        for variable in ("AUTH_URL", "RESOURCE_URL"):
            line = f'urls = ["${{{variable}}}"]\n'
            assert line in routes
            routes = routes.replace(line, f"{line}health = {HEALTH_CHECK}\n")
        return routes

    def _write(self, host: str, file: str, text: str) -> Path:
        path = self._folder / host / file
        path.touch(mode=0o600)
        path.write_text(text)
        return path

    def _haproxy(self) -> str:
        """Return the configuration of docker-compose.yml, with addresses in place of Docker's DNS."""
        text = (ROOT / "deploy" / "compose" / "haproxy.cfg").read_text()
        text = text.replace("bind :8000", f"bind {self.network.hosts['edge'].address}:{PORT}")
        text = text.replace(" init-addr none resolvers docker", "")
        line = "server-template gateway 16 gateway:8000"
        assert line in text
        servers = [f"server {name} {self.network.hosts[name].address}:{PORT}" for name in GATEWAYS]
        return text.replace(line, "\n    ".join(servers))

    async def _wait_for_http(self, host: str, path: str) -> None:
        # A gateway accepts HTTP without a PROXY protocol header from all hosts but the edge.
        await wait_for_readiness(
            host, partial(http_problem, Port(self.network.hosts[host].address, PORT), path), START_SECONDS
        )


@contextmanager
def deployed(code: Path = ROOT) -> Iterator[Deployment]:
    """Run a deployment; the thread of the caller is at the host of the clients while the block runs."""
    network = Network(HOSTS, ALIASES)
    network.make()
    with tempfile.TemporaryDirectory(prefix="sallyport-hosts-") as folder:
        deployment = Deployment(network, Path(folder), code)
        try:
            with network.entered("clients"):
                deployment.start()
                yield deployment
        finally:
            deployment.stop()
            network.remove()
