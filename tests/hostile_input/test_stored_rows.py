"""Each change of a stored row is noticed, and nothing else."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile_input.stored_rows import StoredRows


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "rows.db")
    connection.executescript(
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, title TEXT UNIQUE); CREATE TABLE refusals (name TEXT);"
        "INSERT INTO notes (title) VALUES ('one'), (NULL)"
    )
    yield connection
    connection.close()


@pytest.fixture
def stored(database: sqlite3.Connection, tmp_path: Path) -> Iterator[StoredRows]:
    stored = StoredRows(tmp_path / "rows.db", except_for=frozenset({"refusals"}))
    yield stored
    stored.close()


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO notes (title) VALUES ('two')",
        "INSERT INTO notes (title) VALUES ('one') ON CONFLICT (title) DO UPDATE SET title = 'two'",
        "INSERT OR REPLACE INTO notes (id, title) VALUES (1, 'two')",
        "UPDATE notes SET title = 'two' WHERE title IS NULL",
        "UPDATE notes SET title = NULL",
        "DELETE FROM notes WHERE id = 2",
    ],
)
def test_a_committed_change_is_noticed_once(database: sqlite3.Connection, stored: StoredRows, statement: str) -> None:
    assert not stored.has_changed()
    with database:
        database.execute(statement)
    assert stored.has_changed()
    assert not stored.has_changed()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE notes SET title = title",
        "INSERT OR IGNORE INTO notes (title) VALUES ('one')",
        "DELETE FROM notes WHERE id = 3",
        "INSERT INTO refusals VALUES ('refused')",
    ],
)
def test_what_leaves_the_rows_as_they_were_is_no_change(
    database: sqlite3.Connection, stored: StoredRows, statement: str
) -> None:
    with database:
        database.execute(statement)
    assert not stored.has_changed()


def test_a_rolled_back_change_is_no_change(database: sqlite3.Connection, stored: StoredRows) -> None:
    database.execute("DELETE FROM notes")
    database.rollback()
    assert not stored.has_changed()
