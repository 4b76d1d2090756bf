"""The catalog of sources: open the one that an operator names, with the options that it has."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from auth_service.accounts.foreign_hashes.firebase_scrypt import FirebaseParameters
from auth_service.importing.source_row import Source, SourceError, TokenSource
from auth_service.importing.sources import django, keycloak, other_tables
from auth_service.importing.sources.auth0 import AUTH0
from auth_service.importing.sources.columns import Columns
from auth_service.importing.sources.files import OWN_COLUMNS, CsvFile, JsonLines
from auth_service.importing.sources.firebase import FirebaseUsers
from auth_service.importing.sources.json_document import JsonDocument
from auth_service.importing.sources.sql_table import SqlTable, open_source

GROUP = "group:"
"""Begins the left side of a role mapping that names a group of Django, not a column."""


@dataclass(frozen=True, slots=True, repr=False)
class SourceOptions:
    """Where a source is and how its columns are named. `database` is a URL, `file` a path; one of them is set."""

    database: str = ""
    file: Path | None = None
    table: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Columns by field, instead of the usual ones."""
    roles: Sequence[tuple[str, str]] = ()
    """Pairs of a column with a flag, or of `group:` and a group's name, and the role that it gives."""
    firebase: FirebaseParameters | None = None
    firebase_signer_key: bytes | None = None


@dataclass(frozen=True, slots=True)
class OpenedSource:
    """A source, and its blacklisted tokens if it has any."""

    users: Source
    tokens: TokenSource | None = None


def _django(options: SourceOptions) -> OpenedSource:
    groups = {name.removeprefix(GROUP): role for name, role in options.roles if name.startswith(GROUP)}
    flags = [(name, role) for name, role in options.roles if not name.startswith(GROUP)]
    name = options.table or django.TABLE
    engine = open_source(_database_of(options))
    users = SqlTable(engine, name, django.COLUMNS.changed(options.columns, flags))
    memberships = f"{name.rpartition('.')[2]}_groups"
    return OpenedSource(django.DjangoUsers(users, groups, memberships), django.SimpleJwtBlacklist(engine))


def _table(default_name: str, columns: Columns) -> Callable[[SourceOptions], OpenedSource]:
    """Return a function that opens a table, or a CSV file with the same columns."""

    def open_table(options: SourceOptions) -> OpenedSource:
        changed = columns.changed(options.columns, options.roles)
        if options.file is not None:
            return OpenedSource(CsvFile(options.file, changed))
        return OpenedSource(SqlTable(open_source(_database_of(options)), options.table or default_name, changed))

    return open_table


def _firebase(options: SourceOptions) -> OpenedSource:
    if options.firebase_signer_key is None:
        raise SourceError("FIREBASE_SIGNER_KEY is not set; the Firebase console shows it as base64_signer_key")
    if options.firebase is None:
        raise SourceError("the hash parameters of the Firebase project are missing")
    users = FirebaseUsers(options.firebase, options.firebase_signer_key)
    return OpenedSource(JsonDocument(_file_of(options), users.read))


def _keycloak(options: SourceOptions) -> OpenedSource:
    return OpenedSource(JsonDocument(_file_of(options), keycloak.read_user))


def _auth0(options: SourceOptions) -> OpenedSource:
    return OpenedSource(JsonLines(_file_of(options), AUTH0.changed(options.columns, options.roles)))


def _json_lines(options: SourceOptions) -> OpenedSource:
    return OpenedSource(JsonLines(_file_of(options), OWN_COLUMNS.changed(options.columns, options.roles)))


def _csv(options: SourceOptions) -> OpenedSource:
    return OpenedSource(CsvFile(_file_of(options), OWN_COLUMNS.changed(options.columns, options.roles)))


SOURCES: Mapping[str, Callable[[SourceOptions], OpenedSource]] = {
    "django": _django,
    "flask-security": _table(other_tables.FLASK_SECURITY_TABLE, other_tables.FLASK_SECURITY),
    "fastapi-users": _table(other_tables.FASTAPI_USERS_TABLE, other_tables.FASTAPI_USERS),
    "supabase": _table(other_tables.SUPABASE_TABLE, other_tables.SUPABASE),
    "firebase": _firebase,
    "auth0": _auth0,
    "keycloak": _keycloak,
    "jsonl": _json_lines,
    "csv": _csv,
}
"""The function that opens each kind of source. Each raises SourceError."""


def _database_of(options: SourceOptions) -> str:
    if not options.database:
        raise SourceError("name the database: set IMPORT_DATABASE_URL, or use --database URL")
    return options.database


def _file_of(options: SourceOptions) -> Path:
    if options.file is None:
        raise SourceError("name the file: --file PATH")
    return options.file
