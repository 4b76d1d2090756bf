"""Record the SQL statements of an application."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask
from sqlalchemy import event

from auth_service.storage.models import db


@contextmanager
def statements(app: Flask) -> Iterator[list[str]]:
    """Record every statement that the database gets in the block."""
    recorded: list[str] = []

    def record(_: object, __: object, statement: str, *___: object) -> None:
        recorded.append(statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", record)
    try:
        yield recorded
    finally:
        event.remove(engine, "before_cursor_execute", record)
