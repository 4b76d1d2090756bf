"""Check the database before a service starts. An error is one line with the cause and what to do.

Without a usable database a service does not start. If the database fails later, requests are answered 503 until it
works again.
"""

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from chassis.startup import refuse_to_start

CONNECT_TIMEOUT_SECONDS = 5
ENCODING = "UTF8"
"""The encoding that a PostgreSQL database must have, so that it can store every character."""


class DatabaseUnusable(Exception):
    """The database cannot be used. The message is one line: the cause and what to do. It contains no password."""


@dataclass(frozen=True, slots=True)
class MigrationSettings:
    """The migrations of a service: Alembic's version table, their folder, and the command that applies them."""

    version_table: str
    folder: Path
    command: str


def check_database(url: str, migrations: MigrationSettings) -> None:
    """Raise DatabaseUnusable unless the database can be reached and its tables are migrated.

    An unknown version is accepted, because a newer release has migrated the tables.
    """
    with connected(url, file_may_be_missing=False, migrate_command=migrations.command) as connection:
        version = _version(connection, migrations)
    known, head = revisions(migrations.folder)
    if version in known and version != head:
        reason = f"its tables are at version {version}, this release needs {head}"
        raise _unusable(reason, f"run `{migrations.command}`")


def is_migrated(url: str, migrations: MigrationSettings) -> bool:
    """Return whether the tables are at the newest version, so that there is nothing to migrate.

    Raises DatabaseUnusable if the database cannot be reached. A command that asks this first need not import Alembic
    and the service.
    """
    with connected(url, file_may_be_missing=True, migrate_command="") as connection:
        return stored_version(connection, migrations) == revisions(migrations.folder)[1]


def check_database_to_migrate(url: str) -> None:
    """Raise DatabaseUnusable unless the database can be reached. A SQLite file need not exist yet."""
    with connected(url, file_may_be_missing=True, migrate_command=""):
        return


@contextmanager
def exit_if_unusable() -> Iterator[None]:
    """Exit with status 2 and one line on stderr if the block raises a database error."""
    try:
        yield
    except DatabaseUnusable as error:
        refuse_to_start(error)
    except DBAPIError as error:
        refuse_to_start(_unusable_because(error.orig or error))


@contextmanager
def connected(url: str, *, file_may_be_missing: bool, migrate_command: str) -> Iterator[Any]:
    """Yield a connection of the driver, sqlite3 or psycopg, and close it. Raises DatabaseUnusable."""
    parsed = make_url(url)
    try:
        if parsed.drivername == "sqlite":
            connection = _open_sqlite(
                str(parsed.database), file_may_be_missing=file_may_be_missing, migrate_command=migrate_command
            )
        else:
            connection = _connect_postgresql(parsed)
    except DatabaseUnusable:
        raise
    except Exception as error:
        raise _unusable_because(error) from error
    with closing(connection):
        yield connection


def _open_sqlite(database: str, *, file_may_be_missing: bool, migrate_command: str) -> sqlite3.Connection:
    path = Path(database).absolute()
    if not path.parent.is_dir():
        raise _unusable(f"there is no folder {path.parent}", "create it, or correct DATABASE_URL")
    if not path.exists() and not file_may_be_missing:
        raise _unusable(f"there is no file {path}", f"run `{migrate_command}`")
    for needed in (path.parent, path):
        if needed.exists() and not os.access(needed, os.W_OK):
            raise _unusable(f"permission denied: {needed} is not writable", "make it writable for the service's user")
    if not path.exists():
        return sqlite3.connect(":memory:")  # the migration creates the file
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True)
    connection.execute("SELECT name FROM sqlite_master LIMIT 1")
    return connection


def _connect_postgresql(url: URL) -> Any:
    # The driver connects: a SQLAlchemy engine's first queries would fail with an encoding such as SQL_ASCII.
    dialect = create_engine(url, poolclass=NullPool).dialect
    args, options = dialect.create_connect_args(url)
    options = {"connect_timeout": CONNECT_TIMEOUT_SECONDS, **options}
    connection = dialect.loaded_dbapi.connect(*args, **options)
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != ENCODING:
        connection.close()
        raise _unusable(
            f"the database {url.database} has the encoding {encoding}; {ENCODING} is required",
            f"create it again: `createdb --encoding {ENCODING} --template template0 {url.database}`",
        )
    return connection


def _version(connection: Any, migrations: MigrationSettings) -> str:
    version = stored_version(connection, migrations)
    if version is None:
        raise _unusable("its tables do not exist yet", f"run `{migrations.command}`")
    return version


def stored_version(connection: Any, migrations: MigrationSettings) -> str | None:
    """Return the version of the tables; None if they do not exist."""
    try:
        query = f"SELECT version_num FROM {migrations.version_table}"  # noqa: S608 - the name is a constant of ours
        row = connection.execute(query).fetchone()
    except Exception as error:
        if "no such table" in str(error) or type(error).__name__ == "UndefinedTable":
            return None
        raise _unusable_because(error) from error
    return None if row is None else str(row[0])


_REVISION = re.compile(r'^(down_)?revision(?:: [^=]+)? = "([^"]+)"', re.MULTILINE)
"""A line of a migration file: `revision = "0002"`, or `down_revision = "0001"` for the version before."""


def revisions(migrations: Path) -> tuple[set[str], str]:
    """Return all versions of the tables, and the newest."""
    # Read from the text of the migration files: importing Alembic would take 500 ms.
    found = [
        match
        for file in (migrations / "versions").glob("*.py")
        for match in _REVISION.findall(file.read_text(encoding="utf-8"))
    ]
    known = {revision for down, revision in found if not down}
    (head,) = known - {revision for down, revision in found if down}
    return known, head


_ADVICE = (
    (r'database "([^"]+)" does not exist', r"create it: `createdb --encoding UTF8 --template template0 \1`"),
    (r'role "([^"]+)" does not exist', r"create it: `createuser \1`, or correct DATABASE_URL"),
    (r"password|authentication|pg_hba", "correct the user and password in DATABASE_URL"),
    (
        r"permission denied",
        "grant the permission to the user in DATABASE_URL, or make that user the owner of the database",
    ),
    (r"too many clients|connection slots", "raise max_connections, or lower the workers and threads"),
    (r"not a database|malformed", "correct DATABASE_URL, or restore the file from a backup"),
    (r"locked", "stop the process that holds the lock, and try again"),
    (r"disk|full|No space", "free space on the disk"),
    (r"readonly|read-only", "make it writable for the service's user"),
    (
        r"refused|No such file|translate|resolve|timeout|timed out|unreachable|closed",
        "start the database server, or correct DATABASE_URL",
    ),
)
"""Patterns of an error's message, and the advice for each. The first pattern that matches applies."""


def _unusable_because(error: BaseException) -> DatabaseUnusable:
    reason = _reason(str(error))
    for pattern, advice in _ADVICE:
        if match := re.search(pattern, reason, re.IGNORECASE):
            return _unusable(reason, match.expand(advice))
    return _unusable(reason, "see the database server's log")


def _reason(text: str) -> str:
    """Return the message of the server or driver, on one line."""
    if fatal := re.search(r"(?:FATAL|ERROR):\s+(.*)", text):
        return fatal[1].strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else "no reason given"


def _unusable(reason: str, advice: str) -> DatabaseUnusable:
    return DatabaseUnusable(f"the database of DATABASE_URL cannot be used: {reason}; {advice}")
