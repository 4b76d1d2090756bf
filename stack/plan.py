"""The processes that `python -m stack` runs, their order, and the environment of each."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from compilation.copy import environ_of
from stack.address import Port
from stack.settings import IDENTITY_SECRET, PREVIOUS_SIGNING_KEY, Settings, is_on

ROOT = Path(__file__).resolve().parent.parent
"""The folder of the project, in which every process runs."""

APP = ROOT / "client" / "dist" / "app"
"""The folder in which `make client` builds the app. In development, the app may be built later."""

RECEIVED_BY: Mapping[str, frozenset[str]] = {
    "SIGNING_KEY": frozenset({"auth"}),
    "PREVIOUS_SIGNING_KEY": frozenset({"auth"}),
    "REFRESH_SECRET": frozenset({"auth"}),
    "SIMPLEJWT_SECRET": frozenset({"auth"}),
    "FIREBASE_SIGNER_KEY": frozenset({"auth"}),
    "FLASK_SECURITY_PASSWORD_SALT": frozenset({"auth"}),
    "SMTP_PASSWORD": frozenset({"auth"}),
    "WEBHOOKS": frozenset({"auth"}),
    "PEER_SECRET": frozenset({"auth", "gateway"}),
    "IDENTITY_SECRET": frozenset({"resource", "gateway"}),
    "AUTH_INTERNAL_BIND": frozenset({"auth"}),
    "GATEWAY_INTERNAL_ADDRESSES": frozenset({"auth"}),
    "RESOURCE_INTERNAL_BIND": frozenset({"resource"}),
    "DATABASE_URL": frozenset({"auth", "resource"}),
    "REDIS_URL": frozenset({"auth", "gateway"}),
}
"""The processes that receive a setting or its NAME_FILE. A setting that is not listed goes to every process."""
SQLITE_FILES = {"auth": "auth.db", "resource": "notes.db"}
"""The database files in DATA_DIR, by process."""


@dataclass(frozen=True, slots=True)
class Command:
    """A process to start. `environ` is its whole environment; `log` is a log file that it writes itself."""

    name: str
    argv: tuple[str, ...]
    environ: Mapping[str, str]
    log: Path | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The processes to run: the services and the gateway."""

    settings: Settings
    services: tuple[Command, ...]
    gateway: Command

    @property
    def serves_first_page(self) -> bool:
        """Return whether the gateway serves the first page for developers."""
        return is_on(self.gateway.environ.get("DEVELOPMENT", "off")) and isinstance(self.settings.gateway, Port)

    @property
    def redis_socket(self) -> Path:
        """Return the socket of the embedded Redis."""
        return _redis_socket(self.settings)

    @property
    def redis_folder(self) -> Path:
        """Return the data folder of the embedded Redis."""
        return self.settings.data_dir / "valkey"


def make_plan(settings: Settings) -> Plan:
    """Return the processes to run with `settings`."""
    return Plan(
        settings=settings,
        services=(
            auth_command(settings, "serve"),
            _command(settings, "resource", "resource_service", "serve"),
        ),
        gateway=_gateway_command(
            settings,
            "gunicorn",
            *("-c", "python:gateway.gunicorn_conf", "--pid", str(gateway_pid_file(settings))),
        ),
    )


def settings_checks(settings: Settings) -> tuple[Command, ...]:
    """Return for each service the command that checks its settings and does nothing else."""
    # Before the first start, the secret file that the default routes file names does not exist. With --form, the
    # gateway checks only the syntax of the routes.
    syntax_only = () if (settings.data_dir / IDENTITY_SECRET.file).is_file() else ("--form",)
    return (
        auth_command(settings, "check-settings"),
        _command(settings, "resource", "resource_service", "check-settings"),
        _gateway_command(settings, "gateway", "check-settings", *syntax_only),
    )


def gateway_pid_file(settings: Settings) -> Path:
    """Return the pid file of the gateway's master process."""
    return settings.run_dir / "gateway.pid"


def auth_command(settings: Settings, *words: str) -> Command:
    """Return the command `python -m auth_service WORDS`."""
    return _command(settings, "auth", "auth_service", *words)


def _gateway_command(settings: Settings, *module: str) -> Command:
    command = _command(settings, "gateway", *module)
    return replace(command, environ={**command.environ, **environ_of()}) if settings.compiled else command


def _command(settings: Settings, name: str, *module: str) -> Command:
    return Command(name, (sys.executable, "-m", *module), _environ(settings, name))


def _environ(settings: Settings, name: str) -> dict[str, str]:
    """Return the environment of a process: the given settings and those of the stack, but no secret of others.

    Values of _set_by_stack replace given ones. Those of _defaults and _stores are defaults.
    """
    environ = {**_defaults(settings), **settings.given, **_stores(settings, name), **_set_by_stack(settings)}
    return {setting: value for setting, value in environ.items() if _receives(name, setting)}


def _receives(name: str, setting: str) -> bool:
    return name in RECEIVED_BY.get(setting.removesuffix("_FILE"), {name})


def _set_by_stack(settings: Settings) -> dict[str, str]:
    return {
        "APP_ENV": "production" if settings.is_production else "development",
        "AUTH_BIND": settings.auth.bind,
        "AUTH_URL": settings.auth.url,
        "DATA_DIR": str(settings.data_dir),
        "GATEWAY_BIND": settings.gateway.bind,
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), settings.given.get("PYTHONPATH")))),
        "PYTHONUNBUFFERED": "1",
        "RESOURCE_BIND": settings.resource.bind,
        "RESOURCE_URL": settings.resource.url,
        **_generated(settings),
    }


def _generated(settings: Settings) -> dict[str, str]:
    """Return the settings with the paths of generated secrets. In production none are generated."""
    generated = () if settings.is_production else settings.generated
    files = {f"{secret.setting}_FILE": str(settings.data_dir / secret.file) for secret in generated}
    # A DATA_DIR of an earlier version has no such file until the next start.
    if settings.previous_key and settings.previous_key.is_file():
        files[f"{PREVIOUS_SIGNING_KEY}_FILE"] = str(settings.previous_key)
    return files


def _defaults(settings: Settings) -> dict[str, str]:
    """Return the default addresses of the internal endpoints, and the defaults in development."""
    defaults = {
        f"{name.upper()}_INTERNAL_BIND": f"unix:{settings.run_dir / name}-internal.sock"
        for name in ("auth", "gateway", "resource")
    }
    defaults["GATEWAY_INTERNAL_ADDRESSES"] = settings.given.get(
        "GATEWAY_INTERNAL_BIND", defaults["GATEWAY_INTERNAL_BIND"]
    )
    if not settings.is_production:
        defaults["LOG_FORMAT"] = "console"
    if isinstance(settings.gateway, Port) and not settings.is_production:
        defaults["PUBLIC_URL"] = f"http://localhost:{settings.gateway.number}"
        # Others could make requests fail if it were on for a gateway that they can reach.
        if settings.gateway.is_loopback and not settings.given.get("PUBLIC_URL", "").startswith("https://"):
            defaults["DEVELOPMENT"] = "on"
    if not settings.is_production and (_is_development(settings, defaults) or (APP / "index.html").is_file()):
        defaults["APP_DIR"] = str(APP)
    return defaults


def _is_development(settings: Settings, defaults: Mapping[str, str]) -> bool:
    return is_on(settings.given.get("DEVELOPMENT", defaults.get("DEVELOPMENT", "off")))


def _stores(settings: Settings, name: str) -> dict[str, str]:
    """Return the URLs of the private Redis and the SQLite files, unless others are given. Empty in production."""
    stores: dict[str, str] = {}
    if settings.is_production:
        return stores
    if settings.embeds_redis:
        stores["REDIS_URL"] = f"unix://{quote(str(_redis_socket(settings)))}"
    if name in SQLITE_FILES and not settings.is_given("DATABASE_URL"):
        stores["DATABASE_URL"] = f"sqlite:///{settings.data_dir / SQLITE_FILES[name]}"
    return stores


def _redis_socket(settings: Settings) -> Path:
    return settings.run_dir / "valkey.sock"
