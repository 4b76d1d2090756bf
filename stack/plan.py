"""Decides which processes run, in which order, and what each of them gets to see."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from stack.settings import IDENTITY_SECRET, Settings

ROOT = Path(__file__).resolve().parent.parent

# Who may see a setting, as itself or as NAME_FILE; what is not named here is seen by every process.
SEEN_BY: Mapping[str, frozenset[str]] = {
    "SIGNING_KEY": frozenset({"auth"}),
    "PREVIOUS_SIGNING_KEY": frozenset({"auth"}),
    "REFRESH_SECRET": frozenset({"auth"}),
    "PEER_SECRET": frozenset({"auth", "gateway"}),
    "IDENTITY_SECRET": frozenset({"resource", "gateway"}),
    "DATABASE_URL": frozenset({"auth", "resource"}),
    "REDIS_URL": frozenset({"auth", "gateway"}),
}
DATABASES = {"auth": "auth.db", "resource": "notes.db"}


@dataclass(frozen=True, slots=True)
class Command:
    """A process to start: the name its output goes under, its words, its whole environment; its log, if in a file."""

    name: str
    argv: tuple[str, ...]
    environ: Mapping[str, str]
    log: Path | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """All that `python -m stack` runs: checks and migrations to their end, then services, then the front."""

    settings: Settings
    checks: tuple[Command, ...]
    migrations: tuple[Command, ...]
    services: tuple[Command, ...]
    front: Command

    @property
    def redis_socket(self) -> Path:
        """Where the embedded Redis listens."""
        return _redis_socket(self.settings)

    @property
    def redis_folder(self) -> Path:
        """Where the embedded Redis keeps its file."""
        return self.settings.data_dir / "valkey"


def make_plan(settings: Settings) -> Plan:
    """A function of the settings and nothing else."""
    return Plan(
        settings=settings,
        # The migrations check what the other two services read.
        checks=(_command(settings, "gateway", "gateway", "check-settings"),),
        migrations=(
            auth_command(settings, "migrate"),
            _command(settings, "resource", "resource_service", "migrate"),
        ),
        services=(
            _server(settings, "auth", "auth_service"),
            _server(settings, "resource", "resource_service"),
        ),
        front=_server(settings, "gateway", "gateway", "--pid", str(gateway_pid_file(settings))),
    )


def settings_checks(settings: Settings) -> tuple[Command, ...]:
    """Return a command for each service that checks its settings and does nothing else."""
    # The first start has yet to make the secret that the usual routes name.
    form = () if (settings.data_dir / IDENTITY_SECRET.file).is_file() else ("--form",)
    return (
        auth_command(settings, "check-settings"),
        _command(settings, "resource", "resource_service", "check-settings"),
        _command(settings, "gateway", "gateway", "check-settings", *form),
    )


def gateway_pid_file(settings: Settings) -> Path:
    """Return the file in which the gateway's master process keeps its pid while it runs."""
    return settings.run_dir / "gateway.pid"


def auth_command(settings: Settings, *words: str) -> Command:
    """Return `python -m auth_service` with these words."""
    return _command(settings, "auth", "auth_service", *words)


def _server(settings: Settings, name: str, package: str, *options: str) -> Command:
    return _command(settings, name, "gunicorn", "-c", f"python:{package}.gunicorn_conf", *options)


def _command(settings: Settings, name: str, *module: str) -> Command:
    return Command(name, (sys.executable, "-m", *module), _environ(settings, name))


def _environ(settings: Settings, name: str) -> dict[str, str]:
    """What was given and what the stack decides, less what others keep to themselves."""
    environ = {**_internal(settings), **settings.given, **_stores(settings, name), **_decided(settings)}
    return {setting: value for setting, value in environ.items() if _sees(name, setting)}


def _sees(name: str, setting: str) -> bool:
    return name in SEEN_BY.get(setting.removesuffix("_FILE"), {name})


def _decided(settings: Settings) -> dict[str, str]:
    return {
        "APP_ENV": "production" if settings.is_production else "development",
        "AUTH_BIND": settings.auth.bind,
        "AUTH_URL": settings.auth.url,
        "DATA_DIR": str(settings.data_dir),
        "GATEWAY_BIND": settings.gateway.bind,
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "RESOURCE_BIND": settings.resource.bind,
        "RESOURCE_URL": settings.resource.url,
        **_generated(settings),
    }


def _generated(settings: Settings) -> dict[str, str]:
    """Where the secrets are that the first start makes. In production nothing is made."""
    generated = () if settings.is_production else settings.generated
    return {f"{secret.setting}_FILE": str(settings.data_dir / secret.file) for secret in generated}


def _internal(settings: Settings) -> dict[str, str]:
    """Where operators find what is not for clients, unless they say otherwise."""
    return {"GATEWAY_INTERNAL_BIND": f"unix:{settings.run_dir / 'gateway-internal.sock'}"}


def _stores(settings: Settings, name: str) -> dict[str, str]:
    """The embedded stores, where no others are given. In production nothing is embedded."""
    stores: dict[str, str] = {}
    if settings.is_production:
        return stores
    if settings.embeds_redis:
        stores["REDIS_URL"] = f"unix://{quote(str(_redis_socket(settings)))}"
    if name in DATABASES and not settings.is_given("DATABASE_URL"):
        stores["DATABASE_URL"] = f"sqlite:///{settings.data_dir / DATABASES[name]}"
    return stores


def _redis_socket(settings: Settings) -> Path:
    return settings.run_dir / "valkey.sock"
