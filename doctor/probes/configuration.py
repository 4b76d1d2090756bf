"""Load the settings of the services, the routes, and what GUNICORN_CMD_ARGS changes."""

import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chassis.settings import Settings, SettingsError, SomeSettings, load
from chassis.startup import SERVING, settings_problems
from doctor.deployment import SERVICES
from doctor.finding import CannotCheck
from doctor.probes.http import Target, parse_url

if TYPE_CHECKING:
    from auth_service.settings import AuthSettings
    from auth_service.settings import ServingSettings as AuthServing
    from gateway.routing.routes import Address, RouteTable
    from gateway.settings import GatewaySettings
    from gateway.settings import ServingSettings as GatewayServing
    from resource_service.settings import ResourceSettings
    from resource_service.settings import ServingSettings as ResourceServing

Environ = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class GunicornOptions:
    """gunicorn's timeouts in seconds and limits in bytes. None: GUNICORN_CMD_ARGS does not change the setting."""

    timeout: int
    keepalive: int
    limit_request_fields: int
    limit_request_field_size: int
    worker_class: str | None = None
    workers: int | None = None


def gunicorn_options(environ: Environ) -> GunicornOptions:
    """Return the settings of a service's gunicorn: GUNICORN_CMD_ARGS wins over its configuration file."""
    from gunicorn.config import Config

    arguments = shlex.split(environ.get("GUNICORN_CMD_ARGS", ""))
    given, _ = Config().parser().parse_known_args(arguments)
    names = ("timeout", "keepalive", "limit_request_fields", "limit_request_field_size")
    values = {name: value if (value := getattr(given, name)) is not None else SERVING[name] for name in names}
    return GunicornOptions(**values, worker_class=given.worker_class, workers=given.workers)


@dataclass(frozen=True, slots=True)
class GatewayConfiguration:
    """The gateway's settings and routes."""

    settings: "GatewaySettings"
    serving: "GatewayServing"
    routes: "RouteTable"
    certificate_files: Mapping[str, Path]
    """Certificate files, by the setting or key that names each."""
    auth_target: Target
    tls_targets: tuple[Target, ...]
    """The https:// addresses of upstreams and of the auth service."""

    @property
    def own_url(self) -> str:
        """Return the gateway's URL for clients on this machine."""
        return _url_of_bind(self.serving.bind[0])


@dataclass(frozen=True, slots=True)
class AuthConfiguration:
    """The settings of the auth service."""

    settings: "AuthSettings"
    serving: "AuthServing"
    gunicorn: GunicornOptions


@dataclass(frozen=True, slots=True)
class ResourceConfiguration:
    """The settings of the resource service."""

    settings: "ResourceSettings"
    serving: "ResourceServing"
    gunicorn: GunicornOptions


def problems_of(service: str, environ: Environ) -> tuple[str, ...]:
    """Return why a service would not start with this environment."""
    if service == "gateway":
        from gateway.startup_check import startup_problems

        return tuple(startup_problems(environ))
    return tuple(settings_problems(environ, *settings_of(service)))


def settings_of(service: str) -> tuple[type[Settings], ...]:
    """Return the settings classes of a service."""
    module = import_module(f"{SERVICES[service][0]}.settings")
    main = {"gateway": "GatewaySettings", "auth": "AuthSettings", "resource": "ResourceSettings"}[service]
    return getattr(module, main), module.ServingSettings


def load_gateway(environ: Environ) -> GatewayConfiguration:
    """Return the gateway's settings and routes. Raises CannotCheck if it would not start."""
    from gateway.auth_service_address import auth_address
    from gateway.routing.loader import load_routes
    from gateway.settings import GatewaySettings, ServingSettings

    if problems_of("gateway", environ):
        raise CannotCheck("the settings of gateway are invalid (settings.invalid)")
    settings = load(GatewaySettings, environ)
    routes = load_routes(
        settings.gateway_routes, environ=environ, data_dir=settings.data_dir, login_url=settings.login_url
    )
    tables = _upstream_tables(settings.gateway_routes, environ)
    auth = auth_address(settings)
    addresses = {address for upstream in routes.upstreams() for address in upstream.addresses} | {auth}
    return GatewayConfiguration(
        settings,
        load(ServingSettings, environ),
        routes,
        _certificate_files(settings, tables),
        target_of(auth),
        tuple(target_of(address) for address in sorted(addresses, key=lambda each: each.name) if address.tls),
    )


def load_auth(environ: Environ) -> AuthConfiguration:
    """Return the settings of the auth service. Raises CannotCheck if it would not start."""
    from auth_service.settings import AuthSettings, ServingSettings

    settings = _load(AuthSettings, environ)
    return AuthConfiguration(settings, _load(ServingSettings, environ), gunicorn_options(environ))


def load_resource(environ: Environ) -> ResourceConfiguration:
    """Return the settings of the resource service. Raises CannotCheck if it would not start."""
    from resource_service.settings import ResourceSettings, ServingSettings

    settings = _load(ResourceSettings, environ)
    return ResourceConfiguration(settings, _load(ServingSettings, environ), gunicorn_options(environ))


def public_url_of(environs: Mapping[str, Environ]) -> str:
    """Return PUBLIC_URL of the gateway or the auth service; empty if neither has it."""
    return next((url for name in ("gateway", "auth") if (url := environs.get(name, {}).get("PUBLIC_URL"))), "")


def target_of_bind(bind: str) -> Target:
    """Return the target of a listen address, for clients on this machine."""
    return parse_url(_url_of_bind(bind))


def _url_of_bind(bind: str) -> str:
    if bind.startswith("unix:"):
        return bind
    host, _, port = bind.rpartition(":")
    wildcards = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]", "": "127.0.0.1"}  # noqa: S104 - compared, not bound
    return f"http://{wildcards.get(host, host)}:{port}"


def target_of(address: "Address") -> Target:
    """Return the target of an upstream's address."""
    return Target(address.authority, address.host, address.port, address.path, address.tls)


def _load(model: type[SomeSettings], environ: Environ) -> SomeSettings:
    try:
        return load(model, environ)
    except SettingsError as error:
        package = model.__module__.partition(".")[0]
        raise CannotCheck(f"the settings of {package} are invalid (settings.invalid)") from error


def _upstream_tables(file: Path, environ: Environ) -> Mapping[str, Mapping[str, Any]]:
    from gateway.routing.environment_variables import substitute

    document = substitute(tomllib.loads(file.read_text(encoding="utf-8")), environ, lambda *_: None)
    upstreams: Mapping[str, Mapping[str, Any]] = document.get("upstreams", {})
    return upstreams


def identity_secrets_of(environ: Environ) -> dict[str, tuple[str, str, Path | None]]:
    """Return by upstream the source of its identity secret, the text, and the file if it is in one.

    Without usable settings and routes, there is none: settings.invalid has the reason.
    """
    from gateway.settings import RoutesSettings

    try:
        settings = load(
            RoutesSettings, {name: environ.get(name, "") for name in ("APP_ENV", "DATA_DIR", "GATEWAY_ROUTES")}
        )
        tables = _upstream_tables(settings.gateway_routes, environ)
    except (SettingsError, OSError, ValueError):
        return {}
    found: dict[str, tuple[str, str, Path | None]] = {}
    for name, table in tables.items():
        if variable := table.get("identity_secret_env"):
            found[name] = (variable, environ.get(variable, ""), None)
        elif file := table.get("identity_secret_file"):
            found[name] = (file, "", settings.data_dir / file)
    return found


def _certificate_files(settings: "GatewaySettings", tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Path]:
    files = {"AUTH_CA_FILE": settings.auth_ca_file, "AUTH_CLIENT_CERT_FILE": settings.auth_client_cert_file}
    for name, table in tables.items():
        files |= {f"upstreams.{name}.{key}": table.get(key, "") for key in ("ca_file", "client_cert_file")}
    return {name: settings.data_dir / file for name, file in files.items() if file}
