"""Read the state of a service's database: its version, migrations, clock, connections and mail outbox."""

import sqlite3
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import URL, make_url

from chassis.clock import Clock
from chassis.sql.startup_check import DatabaseUnusable, MigrationSettings, connected, revisions, stored_version
from doctor.finding import Unreachable
from doctor.probes.clocks import certain_offset

STATEMENT_TIMEOUT_MS = 3_000
FAILED_MAIL_SECONDS = 86_400
"""Mails and webhooks that were given up in this time are counted."""


@dataclass(frozen=True, slots=True)
class OutboxFacts:
    """Mails that wait, the age of the oldest in seconds, and mails that were given up within a day."""

    waiting: int
    oldest_seconds: float
    failed: int


@dataclass(frozen=True, slots=True)
class WebhookFacts:
    """Webhooks that wait, the age of the oldest in seconds, those given up within a day, and disabled endpoints.

    What waits for a disabled endpoint is not counted.
    """

    waiting: int
    oldest_seconds: float
    failed: int
    disabled: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """The state of a database. `host` is empty for SQLite and a unix socket; the numbers are 0 for SQLite.

    `stored` is the version of the tables, None if there are none; `head` the one that this release needs.
    """

    service: str
    is_postgresql: bool
    host: str
    port: int
    version: str
    is_encrypted: bool
    clock_offset: float
    max_connections: int
    stored: str | None
    known: frozenset[str]
    head: str
    migrate_command: str
    outbox: OutboxFacts | None = None
    webhooks: WebhookFacts | None = None


def probe_database(
    service: str, url: str, migrations: MigrationSettings, clock: Clock, *, has_outbox: bool = False
) -> DatabaseFacts:
    """Return the state of the database at `url`. Raises Unreachable."""
    parsed = make_url(url)
    known, head = revisions(migrations.folder)
    try:
        with connected(url, file_may_be_missing=False, migrate_command=migrations.command) as connection:
            state = _server_state(connection, clock)
            stored = stored_version(connection, migrations)
            is_readable = has_outbox and stored == head
            outbox = _outbox(connection, clock()) if is_readable else None
            webhooks = _webhooks(connection, clock()) if is_readable else None
    except DatabaseUnusable as error:
        raise Unreachable(f"{service}: {error}") from error
    except Exception as error:
        if not isinstance(error, sqlite3.Error) and type(error).__module__.partition(".")[0] != "psycopg":
            raise
        raise Unreachable(f"{service}: the database cannot be read: {' '.join(str(error).split())}") from error
    return DatabaseFacts(
        service=service,
        host=_host(parsed),
        port=parsed.port or 5432,
        stored=stored,
        known=frozenset(known),
        head=head,
        migrate_command=migrations.command,
        outbox=outbox,
        webhooks=webhooks,
        **state,
    )


def _host(url: URL) -> str:
    host = url.host or str(url.query.get("host", ""))
    return "" if host.startswith("/") or url.drivername == "sqlite" else host


def _server_state(connection: Any, clock: Clock) -> dict[str, Any]:
    if isinstance(connection, sqlite3.Connection):
        return {
            "is_postgresql": False,
            "version": sqlite3.sqlite_version,
            "is_encrypted": False,
            "clock_offset": 0.0,
            "max_connections": 0,
        }
    connection.read_only = True
    connection.execute(f"SET statement_timeout = {STATEMENT_TIMEOUT_MS}")
    started = clock()
    (now,) = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
    offset = certain_offset(now, started, clock())
    query = "SELECT current_setting(%s)::int - current_setting(%s)::int"
    (connections,) = connection.execute(query, ("max_connections", "superuser_reserved_connections")).fetchone()
    return {
        "is_postgresql": True,
        "version": _version_text(connection.info.server_version),
        "is_encrypted": bool(connection.pgconn.ssl_in_use),
        "clock_offset": offset,
        "max_connections": connections,
    }


def _version_text(number: int) -> str:
    """Return 17.6 for 170006, the form of libpq."""
    return f"{number // 10_000}.{number % 10_000}"


def _outbox(connection: Any, now: float) -> OutboxFacts:
    """Count the mails. The columns are those of MailRow in auth_service/storage/models.py."""
    waiting = "SELECT count(*), min(created_at) FROM mail_outbox WHERE due_at IS NOT NULL"
    count, oldest = connection.execute(waiting).fetchone()
    since = now - FAILED_MAIL_SECONDS
    failed = f"SELECT count(*) FROM mail_outbox WHERE failed_at > {since:.0f}"  # noqa: S608 - a number
    return OutboxFacts(count, now - oldest if oldest else 0.0, connection.execute(failed).fetchone()[0])


def _webhooks(connection: Any, now: float) -> WebhookFacts:
    """Count the webhooks. The columns are those of WebhookDeliveryRow and WebhookEndpointRow."""
    names = connection.execute("SELECT name FROM webhook_endpoints WHERE disabled_at IS NOT NULL ORDER BY name")
    disabled = tuple(name for (name,) in names.fetchall())
    waiting = (
        "SELECT count(*), min(created_at) FROM webhook_deliveries WHERE due_at IS NOT NULL AND endpoint NOT IN "
        "(SELECT name FROM webhook_endpoints WHERE disabled_at IS NOT NULL)"
    )
    count, oldest = connection.execute(waiting).fetchone()
    since = now - FAILED_MAIL_SECONDS
    failed = f"SELECT count(*) FROM webhook_deliveries WHERE status = 'failed' AND last_attempt_at > {since:.0f}"  # noqa: S608 - a number
    return WebhookFacts(count, now - oldest if oldest else 0.0, connection.execute(failed).fetchone()[0], disabled)
