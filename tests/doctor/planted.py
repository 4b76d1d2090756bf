"""A healthy deployment in production, whose settings and files a test can spoil, and what doctor finds in it."""

import secrets
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from auth_service.storage.migration_settings import MIGRATIONS as AUTH_MIGRATIONS
from chassis.clock import Clock
from chassis.sql.startup_check import MigrationSettings, revisions
from doctor.deployment import Deployment, Place
from doctor.examination import Report, examine
from doctor.facts import Facts
from doctor.registry.checks import CHECKS
from resource_service.migration_settings import MIGRATIONS as RESOURCE_MIGRATIONS

ROUTES = Path(__file__).parents[2] / "gateway" / "routes.toml"
PUBLIC_URL = "https://api.example.net"

WITHOUT_SERVERS = tuple(
    check.name
    for check in CHECKS
    if check.group
    in (
        "settings",
        "secrets",
        "timeouts",
        "limits",
        "certificates",
        "versions",
        "browsers",
        "disk",
        "mail",
        "webhooks",
        "claims",
    )
    and check.name
    not in (
        "settings.development",
        "browsers.cookies",
        "browsers.any-origin",
        "certificates.public",
        "timeouts.keep-alive",
        "versions.redis",
        "versions.python",  # that of the machine of the tests may be old
    )
)
"""The checks that need no running server."""


@dataclass(slots=True)
class PlantedDeployment:
    """The environments of three services, whose files are in `folder`. Tests change `shared` or one of the others."""

    folder: Path
    shared: dict[str, str] = field(default_factory=dict)
    gateway: dict[str, str] = field(default_factory=dict)
    auth: dict[str, str] = field(default_factory=dict)
    resource: dict[str, str] = field(default_factory=dict)
    place: Place = Place.HOST
    url: str = ""
    secret_folder: Path | None = None

    def write_secret(self, name: str, text: str = "", mode: int = 0o600) -> Path:
        """Write a secret's file, by default with a new random secret, and return it."""
        file = self.folder / name
        file.write_text(text or secrets.token_hex(32), encoding="utf-8")
        file.chmod(mode)
        return file

    def deployment(self) -> Deployment:
        """Return the deployment for doctor."""
        environs = {"gateway": self.gateway, "auth": self.auth, "resource": self.resource}
        whole: Mapping[str, Mapping[str, str]] = {
            name: {**self.shared, **own} for name, own in environs.items() if own
        }
        return Deployment(whole, self.url, self.secret_folder, self.place)

    def report(self, *names: str, clock: Clock = time.time) -> Report:
        """Return what the checks with these names or groups find."""
        chosen = [check for check in CHECKS if not names or {check.name, check.group} & set(names)]
        assert chosen
        return examine(Facts(self.deployment(), clock), chosen)

    def findings(self, *names: str, clock: Clock = time.time) -> list[tuple[str, str, str]]:
        """Return the check, severity and cause of each finding. Every check must have been possible."""
        report = self.report(*names, clock=clock)
        assert not report.not_checked
        return [(each.check, str(each.problem.severity), each.problem.cause) for each in report.findings]


def healthy_deployment(folder: Path, signing_pem: str) -> PlantedDeployment:
    """Return a deployment in production without a fault. Its servers do not run."""
    planted = PlantedDeployment(folder)
    for name in ("refresh", "peer", "notes"):
        planted.write_secret(f"{name}.secret")
    planted.write_secret("signing.pem", signing_pem)
    routes = folder / "routes.toml"
    routes.write_text(ROUTES.read_text())
    planted.shared |= {
        "APP_ENV": "production",
        "PUBLIC_URL": PUBLIC_URL,
        "REDIS_URL": f"unix://{folder / 'redis.sock'}",
        "DATA_DIR": str(folder),
        "PEER_SECRET_FILE": str(folder / "peer.secret"),
    }
    planted.gateway |= {
        "AUTH_URL": f"unix:{folder / 'auth.sock'}",
        "RESOURCE_URL": f"unix:{folder / 'resource.sock'}",
        "GATEWAY_BIND": f"unix:{folder / 'gateway.sock'}",
        "GATEWAY_ROUTES": str(routes),
        "TRUSTED_PROXIES": "10.0.0.0/8",
    }
    planted.auth |= {
        "AUTH_BIND": f"unix:{folder / 'auth.sock'}",
        "DATABASE_URL": f"sqlite:///{folder / 'auth.db'}",
        "SIGNING_KEY_FILE": str(folder / "signing.pem"),
        "REFRESH_SECRET_FILE": str(folder / "refresh.secret"),
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": "1",
        "SMTP_SECURITY": "none",
        "MAIL_FROM": "no-reply@example.net",
    }
    planted.resource |= {
        "RESOURCE_BIND": f"unix:{folder / 'resource.sock'}",
        "DATABASE_URL": f"sqlite:///{folder / 'notes.db'}",
        "IDENTITY_SECRET_FILE": str(folder / "notes.secret"),
    }
    write_tables(folder / "auth.db", AUTH_MIGRATIONS)
    write_tables(folder / "notes.db", RESOURCE_MIGRATIONS)
    with sqlite3.connect(folder / "auth.db") as connection:
        connection.execute("CREATE TABLE mail_outbox (created_at DOUBLE, due_at DOUBLE, failed_at DOUBLE)")
        columns = "endpoint TEXT, created_at DOUBLE, due_at DOUBLE, status TEXT, last_attempt_at DOUBLE"
        connection.execute(f"CREATE TABLE webhook_deliveries ({columns})")
        connection.execute("CREATE TABLE webhook_endpoints (name TEXT, disabled_at DOUBLE)")
    connection.close()
    return planted


def write_tables(file: Path, migrations: MigrationSettings, version: str = "") -> None:
    """Write a SQLite database whose tables are at `version`, by default the newest."""
    connection = sqlite3.connect(file)
    connection.execute(f"CREATE TABLE IF NOT EXISTS {migrations.version_table} (version_num TEXT)")
    connection.execute(f"DELETE FROM {migrations.version_table}")
    stored = version or revisions(migrations.folder)[1]
    connection.execute(f"INSERT INTO {migrations.version_table} VALUES (?)", (stored,))
    connection.commit()
    connection.close()


def change_routes(planted: PlantedDeployment, change: Callable[[str], str]) -> None:
    """Change the text of the routes file."""
    routes = planted.folder / "routes.toml"
    text = routes.read_text()
    changed = change(text)
    assert changed != text
    routes.write_text(changed)


def later(days: float) -> Clock:
    """Return a clock that is so many days ahead."""
    return lambda: time.time() + days * 86_400
