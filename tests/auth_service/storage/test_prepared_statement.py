"""Prepared statements give the results of SQLAlchemy and raise StoreUnavailable, without SQLAlchemy's execution."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import JSON, Boolean, Engine, Uuid, create_engine, event, text

from auth_service.storage.prepared_statement import PreparedStatement
from auth_service.store_errors import StoreUnavailable

USER = uuid4()

INSERT = PreparedStatement(
    "INSERT INTO things (id, owner, marks, is_new) VALUES (:id, :owner, :marks, :is_new)",
    parameters={"owner": Uuid(), "marks": JSON()},
)
FIND = PreparedStatement(
    "SELECT owner, id, marks, is_new FROM things WHERE id = :id",
    columns={"owner": Uuid(), "marks": JSON(), "is_new": Boolean()},
)
RENUMBER = PreparedStatement("UPDATE things SET id = :new WHERE id = :old RETURNING id")
BROKEN = PreparedStatement("SELECT 1 FROM missing")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path}/things.db")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE things (id INTEGER PRIMARY KEY, owner, marks, is_new)"))
        assert INSERT.change(connection, {"id": 1, "owner": USER, "marks": [1.5, 2], "is_new": True}) == 1
    yield engine
    engine.dispose()


@pytest.fixture(params=["driver", "sqlalchemy"])
def either_engine(engine: Engine, request: pytest.FixtureRequest) -> Engine:
    """An engine without and with a listener, which makes SQLAlchemy execute the statements."""
    if request.param == "sqlalchemy":
        event.listen(engine, "before_cursor_execute", lambda *_: None)
    return engine


def test_values_are_converted_as_by_sqlalchemy(either_engine: Engine) -> None:
    row = FIND.read(either_engine, {"id": 1})
    assert row is not None
    assert tuple(row) == (USER, 1, [1.5, 2], True)
    assert [type(value) for value in row] == [UUID, int, list, bool]
    assert FIND.read(either_engine, {"id": 2}) is None


def test_a_change_returns_how_many_rows_it_changed(either_engine: Engine) -> None:
    with either_engine.begin() as connection:
        assert RENUMBER.fetch_one(connection, {"old": 1, "new": 7}) == (7,)
        assert RENUMBER.fetch_one(connection, {"old": 1, "new": 7}) is None
        assert INSERT.change(connection, {"id": 1, "owner": None, "marks": None, "is_new": False}) == 1
    row = FIND.read(either_engine, {"id": 1})
    assert row is not None
    assert row[0] is None
    assert FIND.read(either_engine, {"id": 7}) is not None


def test_a_listener_gets_every_statement(engine: Engine) -> None:
    """So that a tracing library sees them."""
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *details: statements.append(details[2]))
    FIND.read(engine, {"id": 1})
    assert [statement.split()[0] for statement in statements] == ["SELECT"]


def test_an_error_of_the_database_is_store_unavailable_with_the_drivers_message(engine: Engine) -> None:
    with pytest.raises(StoreUnavailable, match=r"^no such table: missing$"):
        BROKEN.read(engine, {})


def test_an_error_of_the_statement_is_the_drivers(engine: Engine) -> None:
    """A row that exists is no outage."""
    with engine.connect() as connection, pytest.raises(sqlite3.IntegrityError):
        INSERT.change(connection, {"id": 1, "owner": USER, "marks": [], "is_new": True})
