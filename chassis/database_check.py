"""Check a database before a service starts, and say in one line what is wrong with it and what to do.

Policy: a service whose database cannot be used when it starts does not start. One that is lost later is waited for.
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

from chassis.serving import refuse_to_start

CONNECT_SECONDS = 5
ENCODING = "UTF8"


class DatabaseRefused(Exception):
    """The database cannot be used. The text is one line: what is wrong, and what to do. It shows no password."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables that a service needs: where their version is kept, their migrations, the command that runs these."""

    version_table: str
    migrations: Path
    migrate: str


def check_database(url: str, tables: Tables) -> None:
    """Check that the database can be reached and that its tables are as this release needs them.

    Raises DatabaseRefused. A version that this release does not know is a newer one, and good.
    """
    with _connected(url, create=False, migrate=tables.migrate) as connection:
        version = _version(connection, tables)
    known, head = _revisions(tables.migrations)
    if version in known and version != head:
        raise _refused(f"its tables are at version {version}, this release needs {head}", f"run `{tables.migrate}`")


def check_database_to_migrate(url: str) -> None:
    """Check that the database can be reached; a SQLite file need not exist yet. Raises DatabaseRefused."""
    with _connected(url, create=True, migrate=""):
        return


@contextmanager
def or_refuse_to_start() -> Iterator[None]:
    """End the process with status 2 and one line on stderr where the block cannot use the database."""
    try:
        yield
    except DatabaseRefused as refused:
        refuse_to_start(refused)
    except DBAPIError as error:
        refuse_to_start(_told(error.orig or error))


@contextmanager
def _connected(url: str, *, create: bool, migrate: str) -> Iterator[Any]:
    parsed = make_url(url)
    try:
        if parsed.drivername == "sqlite":
            connection = _open_sqlite(str(parsed.database), create=create, migrate=migrate)
        else:
            connection = _connect_postgresql(parsed)
    except DatabaseRefused:
        raise
    except Exception as error:
        raise _told(error) from error
    with closing(connection):
        yield connection


def _open_sqlite(database: str, *, create: bool, migrate: str) -> sqlite3.Connection:
    path = Path(database).absolute()
    if not path.parent.is_dir():
        raise _refused(f"there is no folder {path.parent}", "make it, or correct DATABASE_URL")
    if not path.exists() and not create:
        raise _refused(f"there is no file {path}", f"run `{migrate}`")
    for place in (path.parent, path):
        if place.exists() and not os.access(place, os.W_OK):
            raise _refused(
                f"permission denied: {place} is not writable", "give the service's user the right to write it"
            )
    if not path.exists():
        return sqlite3.connect(":memory:")  # made by the migration itself
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True)
    connection.execute("SELECT name FROM sqlite_master LIMIT 1")
    return connection


def _connect_postgresql(url: URL) -> Any:
    # Not by the engine: at an encoding such as SQL_ASCII its own first questions fail.
    dialect = create_engine(url, poolclass=NullPool).dialect
    args, options = dialect.create_connect_args(url)
    options = {"connect_timeout": CONNECT_SECONDS, **options}
    connection = dialect.loaded_dbapi.connect(*args, **options)
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != ENCODING:
        connection.close()
        raise _refused(
            f"the database {url.database} has the encoding {encoding}, and must have {ENCODING}",
            f"make it anew: `createdb --encoding {ENCODING} --template template0 {url.database}`",
        )
    return connection


def _version(connection: Any, tables: Tables) -> str:
    not_migrated = _refused("its tables have not been made yet", f"run `{tables.migrate}`")
    try:
        row = connection.execute(f"SELECT version_num FROM {tables.version_table}").fetchone()  # noqa: S608 - ours
    except Exception as error:
        if "no such table" in str(error) or type(error).__name__ == "UndefinedTable":
            raise not_migrated from None
        raise _told(error) from error
    if row is None:
        raise not_migrated
    return str(row[0])


_REVISION = re.compile(r'^(down_)?revision(?:: [^=]+)? = "([^"]+)"', re.MULTILINE)


def _revisions(migrations: Path) -> tuple[set[str], str]:
    """The versions that the migrations lead to, and the newest. To import Alembic for this would take 500 ms."""
    found = [
        match
        for file in (migrations / "versions").glob("*.py")
        for match in _REVISION.findall(file.read_text(encoding="utf-8"))
    ]
    known = {revision for down, revision in found if not down}
    (head,) = known - {revision for down, revision in found if down}
    return known, head


_ADVICE = (
    (r'database "([^"]+)" does not exist', r"make it: `createdb --encoding UTF8 --template template0 \1`"),
    (r'role "([^"]+)" does not exist', r"make it: `createuser \1`, or correct DATABASE_URL"),
    (r"password|authentication|pg_hba", "correct the user and password in DATABASE_URL"),
    (r"permission denied", "grant it to the user in DATABASE_URL, or make that user the owner of the database"),
    (r"too many clients|connection slots", "raise max_connections, or lower the workers and threads"),
    (r"not a database|malformed", "correct DATABASE_URL, or put a backup in the file's place"),
    (r"locked", "stop what holds the lock, and try again"),
    (r"disk|full|No space", "make room on the disk"),
    (r"readonly|read-only", "give the service's user the right to write it"),
    (
        r"refused|No such file|translate|resolve|timeout|timed out|unreachable|closed",
        "start it, or correct DATABASE_URL",
    ),
)


def _told(error: BaseException) -> DatabaseRefused:
    reason = _reason(str(error))
    for pattern, advice in _ADVICE:
        if match := re.search(pattern, reason, re.IGNORECASE):
            return _refused(reason, match.expand(advice))
    return _refused(reason, "see the database's own log")


def _reason(text: str) -> str:
    """The cause in the server's or driver's words, on one line."""
    if fatal := re.search(r"(?:FATAL|ERROR):\s+(.*)", text):
        return fatal[1].strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else "it gave no reason"


def _refused(reason: str, advice: str) -> DatabaseRefused:
    return DatabaseRefused(f"the database of DATABASE_URL cannot be used: {reason}; {advice}")
