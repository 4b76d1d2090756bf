"""Notice changes of the rows of an SQLite database."""

import sqlite3
from pathlib import Path


class StoredRows:
    """Count changes of the rows of an SQLite database, except in the tables that may record refusals.

    Triggers count the changes, so that has_changed() takes the same time however many rows are stored.
    """

    def __init__(self, database: Path, *, except_for: frozenset[str] = frozenset()) -> None:
        self._connection = sqlite3.connect(database, isolation_level=None)
        listed = self._connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
        names = {name for (name,) in listed.fetchall()} - except_for
        self._connection.execute("CREATE TABLE changes_of_rows (number INTEGER)")
        self._connection.execute("INSERT INTO changes_of_rows VALUES (0)")
        for name in sorted(names):
            self._count_changes(name)
        self._changes = 0

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def has_changed(self) -> bool:
        """Return whether a row was added, removed or got another value since the last call."""
        before = self._changes
        (self._changes,) = self._connection.execute("SELECT number FROM changes_of_rows").fetchone()
        return before != self._changes

    def _count_changes(self, table: str) -> None:
        columns = [
            column for (column,) in self._connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
        ]
        has_other_value = " OR ".join(f'OLD."{column}" IS NOT NEW."{column}"' for column in columns)
        for event, condition in (("INSERT", ""), ("DELETE", ""), ("UPDATE", f"WHEN {has_other_value}")):
            self._connection.execute(
                f'CREATE TRIGGER "{event} {table}" AFTER {event} ON "{table}" {condition} '
                "BEGIN UPDATE changes_of_rows SET number = number + 1; END"
            )
