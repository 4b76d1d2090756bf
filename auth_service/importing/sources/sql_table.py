"""Read a table of another system's database, SQLite or PostgreSQL, without its models."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import (
    ColumnClause,
    Connection,
    Engine,
    TableClause,
    column,
    create_engine,
    event,
    func,
    inspect,
    select,
    table,
)
from sqlalchemy.exc import NoSuchTableError, SQLAlchemyError

from auth_service.importing.source_row import SourceError, SourceRow
from auth_service.importing.sources.columns import Columns
from chassis.sql.engine import database_reason, database_url

_FETCHED = 1_000
"""Rows that are fetched at once, so that memory does not grow with the number of users."""


@dataclass(frozen=True, slots=True)
class SqlTable:
    """A table of users. `name` may begin with a schema: `auth.users`."""

    engine: Engine
    name: str
    columns: Columns

    def count(self) -> int | None:
        """Return the number of rows. Raises SourceError."""
        self._check_columns()
        with reading(self.engine) as connection:
            return connection.scalar(select(func.count()).select_from(self._table()))

    def rows(self) -> Iterator[SourceRow]:
        """Yield the rows in the order of the ids. Raises SourceError."""
        self._check_columns()
        names = self.columns.names()
        # Columns without types: the values are the driver's, so that no value makes a row unreadable.
        columns: list[ColumnClause[Any]] = [column(name) for name in names]
        statement = select(*columns).select_from(self._table()).order_by(column(self.columns.by_field["id"]))
        with reading(self.engine) as connection:
            result = connection.execution_options(yield_per=_FETCHED).execute(statement)
            for number, row in enumerate(result, 1):
                yield SourceRow(number, self.columns.fields_of(dict(zip(names, row, strict=True))))

    def _table(self) -> TableClause:
        schema, _, name = self.name.rpartition(".")
        return table(name, schema=schema or None)

    def _check_columns(self) -> None:
        schema, _, name = self.name.rpartition(".")
        try:
            with reading(self.engine) as connection:
                found = {each["name"] for each in inspect(connection).get_columns(name, schema=schema or None)}
        except NoSuchTableError as error:
            raise SourceError(f"the database has no table {self.name}; --table names another one") from error
        missing = [each for each in self.columns.names() if each not in found]
        if missing:
            raise SourceError(
                f"{self.name} has no column {', '.join(missing)}; --column FIELD=COLUMN names another one. "
                f"Its columns are {', '.join(sorted(found))}"
            )


def open_source(url: str) -> Engine:
    """Return an engine that only reads. Raises SourceError."""
    try:
        engine = create_engine(database_url(url), hide_parameters=True)
    except ValueError as error:
        raise SourceError(
            f"the database URL {error}; it must be like sqlite:////srv/shop/db.sqlite3 or postgresql://user@host/shop"
        ) from error
    if engine.dialect.name == "sqlite":
        # SQLite would create the file.
        if not Path(engine.url.database or "").is_file():
            raise SourceError(f"the database URL names {engine.url.database}, which is not a file")
        event.listen(engine, "connect", _read_only)
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Yield a connection to a source. Raises SourceError if it does not answer."""
    try:
        with engine.connect() as connection:
            yield connection
    except NoSuchTableError:
        raise
    except SQLAlchemyError as error:
        raise SourceError(f"the database cannot be read: {database_reason(error)}") from error


def _read_only(connection: Any, _: object) -> None:
    connection.text_factory = lambda data: data.decode("utf-8", "replace")  # a broken text spoils one row only
    connection.execute("PRAGMA query_only=ON")
