"""The facts about a deployment. Each is collected when a check first needs it, and once only."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from chassis.clock import Clock
from doctor.deployment import SERVICES, Deployment, Place
from doctor.finding import CannotCheck
from doctor.probes.certificates import CertificateFacts, certificates_in, presented_certificate
from doctor.probes.configuration import (
    AuthConfiguration,
    GatewayConfiguration,
    ResourceConfiguration,
    load_auth,
    load_gateway,
    load_resource,
    problems_of,
    public_url_of,
    target_of_bind,
)
from doctor.probes.disk import DiskFacts, disks_of
from doctor.probes.gateway import GatewayAnswers, gateway_target, probe_gateway
from doctor.probes.http import Target, send
from doctor.probes.mail import mail_server_problem
from doctor.probes.ports import OpenPort, is_public_https, open_ports
from doctor.probes.process_limits import memory_limit, open_file_limit
from doctor.probes.secret_files import SecretFacts, secrets_of
from doctor.probes.services import ReadyAnswers, ServiceAnswers, probe_ready, probe_services
from doctor.probes.versions import Installed, installed_versions
from doctor.probes.webhooks import EndpointConnection, WebhookEndpointFacts, webhook_connections, webhook_endpoints

if TYPE_CHECKING:
    from doctor.probes.database import DatabaseFacts
    from doctor.probes.redis import RedisFacts

Value = TypeVar("Value")


class Fact(Generic[Value]):
    """A property that is collected once, also with several threads. Reading it may raise CannotCheck."""

    def __init__(self, collect: Callable[["Facts"], Value]) -> None:
        self._collect = collect

    def __set_name__(self, _: type, name: str) -> None:
        self._name = name

    def __get__(self, facts: "Facts", _: type | None = None) -> Value:
        """Return the fact. Raises CannotCheck."""
        collected: Value = facts.collected(self._name, self._collect)
        return collected


class Facts:
    """The facts about `deployment`. `clock` returns seconds since the epoch."""

    def __init__(self, deployment: Deployment, clock: Clock = time.time) -> None:
        self.deployment = deployment
        self.clock = clock
        self._guard = Lock()
        self._locks: dict[str, Lock] = {}
        self._values: dict[str, Any] = {}

    def collected(self, name: str, collect: Callable[["Facts"], Any]) -> Any:
        """Return the fact `name`, after collecting it if it is not there yet. Raises CannotCheck."""
        with self._guard:
            lock = self._locks.setdefault(name, Lock())
        with lock:
            if name not in self._values:
                try:
                    self._values[name] = collect(self)
                except CannotCheck as reason:
                    self._values[name] = reason
        value = self._values[name]
        if isinstance(value, CannotCheck):
            raise type(value)(*value.args)
        return value

    def environ(self, service: str) -> Mapping[str, str]:
        """Return the environment of a service. Raises CannotCheck if it is not here."""
        try:
            return self.deployment.environs[service]
        except KeyError:
            package = SERVICES[service][0]
            raise CannotCheck(f"the settings of {package} are not here") from None

    def all_environs(self) -> Mapping[str, Mapping[str, str]]:
        """Return the environment of each service that is here. Raises CannotCheck if none is."""
        if not self.deployment.environs:
            raise CannotCheck("the settings of the services are not here")
        return self.deployment.environs

    @property
    def is_production(self) -> bool:
        """Return whether others than developers use it: APP_ENV is production, or the public URL is a public https.

        Raises CannotCheck if nothing is known about it.
        """
        environs = self.deployment.environs.values()
        if any(environ.get("APP_ENV") == "production" for environ in environs):
            return True
        if not self.deployment.environs and not self.deployment.url:
            raise CannotCheck("the settings of the services are not here")
        return is_public_https(self.public_url)

    @property
    def is_host(self) -> bool:
        """Return whether this process runs on the machine itself, not in a container."""
        return self.deployment.place is Place.HOST

    @Fact
    def settings_problems(self) -> Mapping[str, tuple[str, ...]]:
        """Return why services would not start, by service."""
        return {name: problems_of(name, environ) for name, environ in self.all_environs().items()}

    @Fact
    def gateway(self) -> GatewayConfiguration:
        """Return the settings and routes of the gateway."""
        return load_gateway(self.environ("gateway"))

    @Fact
    def auth(self) -> AuthConfiguration:
        """Return the settings of the auth service."""
        return load_auth(self.environ("auth"))

    @Fact
    def resource(self) -> ResourceConfiguration:
        """Return the settings of the resource service."""
        return load_resource(self.environ("resource"))

    @Fact
    def secrets(self) -> tuple[SecretFacts, ...]:
        """Return every secret of the services and of the folder of secrets."""
        return secrets_of(self.deployment)

    @Fact
    def gateway_target(self) -> Target:
        """Return the address of the gateway."""
        url = self.deployment.url
        return gateway_target(url or self.gateway.own_url)

    @Fact
    def answers(self) -> GatewayAnswers:
        """Return what the gateway answers."""
        return probe_gateway(self.gateway_target, self.clock)

    @Fact
    def auth_answers(self) -> ReadyAnswers:
        """Return what the auth service answers: at AUTH_URL, or without the gateway's settings at AUTH_BIND."""
        if "gateway" in self.deployment.environs:
            return probe_ready(self.gateway.auth_target, self.clock)
        return probe_ready(target_of_bind(self.auth.serving.auth_bind), self.clock)

    @Fact
    def resource_answers(self) -> ReadyAnswers:
        """Return what the resource service answers at RESOURCE_BIND."""
        return probe_ready(target_of_bind(self.resource.serving.resource_bind), self.clock)

    @Fact
    def services(self) -> tuple[ServiceAnswers, ...]:
        """Return what the services behind the gateway answer to requests that did not come through it."""
        return probe_services(self.gateway.routes, self.clock)

    @Fact
    def redis(self) -> "RedisFacts":
        """Return the state of Redis."""
        # Imported here, because the image of the resource service has no client of Redis.
        from doctor.probes.redis import probe_redis

        environs = self.deployment.environs
        if "auth" in environs:
            return probe_redis(self.auth.settings.redis_url.get_secret_value(), self.clock)
        return probe_redis(self.gateway.settings.redis_url.get_secret_value(), self.clock)

    @Fact
    def auth_database(self) -> "DatabaseFacts":
        """Return the state of the auth service's database."""
        # Settings first: they are missing in the image of another service, and so are these modules.
        url = self.auth.settings.database_url.get_secret_value()
        from auth_service.storage.migration_settings import MIGRATIONS
        from doctor.probes.database import probe_database

        return probe_database("auth service", url, MIGRATIONS, self.clock, has_outbox=True)

    @Fact
    def resource_database(self) -> "DatabaseFacts":
        """Return the state of the resource service's database."""
        from doctor.probes.database import probe_database
        from resource_service.migration_settings import MIGRATIONS

        url = self.resource.settings.database_url.get_secret_value()
        return probe_database("resource service", url, MIGRATIONS, self.clock)

    @property
    def databases(self) -> "tuple[DatabaseFacts, ...]":
        """Return the databases of the services that are here. Raises CannotCheck if neither is, or one fails."""
        found = []
        if "auth" in self.deployment.environs:
            found.append(self.auth_database)
        if "resource" in self.deployment.environs:
            found.append(self.resource_database)
        if not found:
            raise CannotCheck("the settings of services with a database are not here")
        return tuple(found)

    @Fact
    def public_url(self) -> str:
        """Return the URL of the gateway for clients, from PUBLIC_URL or the command line; empty if neither has it."""
        url = self.deployment.url
        return public_url_of(self.deployment.environs) or (url if url.startswith("http") else "")

    @Fact
    def gateway_certificates(self) -> tuple[CertificateFacts, ...]:
        """Return the certificates in files that the gateway's settings and routes name."""
        return certificates_in(self.gateway.certificate_files)

    @Fact
    def mail_certificates(self) -> tuple[CertificateFacts, ...]:
        """Return the certificates in SMTP_CA_FILE."""
        file = self.auth.settings.smtp_ca_file
        return certificates_in({"SMTP_CA_FILE": Path(file)} if file else {})

    @Fact
    def public_certificate(self) -> tuple[CertificateFacts, ...]:
        """Return the certificate at the public URL; none without an https URL."""
        url = self.public_url
        return (presented_certificate(gateway_target(url)),) if url.startswith("https://") else ()

    @Fact
    def forward_auth_status(self) -> int | None:
        """Return the status of /forward-auth at the public URL; None if it is served at the internal address only."""
        if self.gateway.settings.gateway_forward_auth != "public" or not self.public_url:
            return None
        return send(gateway_target(self.public_url), "GET", "/forward-auth").status

    @Fact
    def upstream_certificates(self) -> tuple[CertificateFacts, ...]:
        """Return the certificates that the services behind the gateway present."""
        return tuple(presented_certificate(target) for target in self.gateway.tls_targets)

    @Fact
    def webhook_endpoints(self) -> tuple[WebhookEndpointFacts, ...]:
        """Return the endpoints of webhooks."""
        return webhook_endpoints(self.auth.settings)

    @Fact
    def webhook_connections(self) -> tuple[EndpointConnection, ...]:
        """Return whether connections to the endpoints of webhooks can be made."""
        return webhook_connections(self.auth.settings)

    @Fact
    def database_use(self) -> dict[str, int]:
        """Return the connections that each service here may open."""
        found = {}
        if "auth" in self.deployment.environs:
            # Imported here, because it imports the whole service.
            from auth_service.app import BACKGROUND_THREADS

            auth = self.auth
            workers = auth.gunicorn.workers or auth.serving.auth_workers
            found["auth_service"] = workers * (
                auth.settings.auth_threads + BACKGROUND_THREADS + bool(auth.settings.webhooks)
            )
        if "resource" in self.deployment.environs:
            resource = self.resource
            workers = resource.gunicorn.workers or resource.serving.resource_workers
            found["resource_service"] = workers * resource.settings.threads
        return found

    @Fact
    def open_file_limit(self) -> int:
        """Return how many files a gateway worker may open; -1: any number."""
        return open_file_limit(self.deployment.gateway_pid_file)

    @Fact
    def memory_limit(self) -> int | None:
        """Return the memory limit of this container in bytes; None without one."""
        return memory_limit()

    @Fact
    def disks(self) -> tuple[DiskFacts, ...]:
        """Return the file systems of the data folder, the databases and the temporary folder."""
        return disks_of(self.all_environs())

    @Fact
    def mail_problem(self) -> str:
        """Return why mails cannot be sent; empty if the server accepts the log-in, or mails are kept as files."""
        server = self.auth.settings.smtp_server
        return mail_server_problem(server) if server else ""

    @Fact
    def open_ports(self) -> tuple[OpenPort, ...]:
        """Return the ports of Redis and the databases on this machine that its other addresses answer on, too."""
        return open_ports(self._local_stores())

    def _local_stores(self) -> Mapping[str, tuple[str, int]]:
        stores = {}
        for name in ("auth", "gateway"):
            if name in self.deployment.environs:
                stores["Redis"] = (self.redis.host, self.redis.port)
        for name, database in (("auth", "auth_database"), ("resource", "resource_database")):
            if name in self.deployment.environs:
                facts: DatabaseFacts = getattr(self, database)
                stores[f"the database of the {facts.service}"] = (facts.host, facts.port)
        return stores

    @Fact
    def installed(self) -> Installed:
        """Return the versions of Python, OpenSSL and the packages."""
        return installed_versions()
