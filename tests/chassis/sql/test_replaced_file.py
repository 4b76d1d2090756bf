"""A pooled SQLite connection always uses the file that is at its path now."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from chassis.sql.replaced_file import reconnect_if_replaced


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = make_engine(tmp_path / "now.db", "the first")
    yield engine
    engine.dispose()


def make_engine(path: Path, word: str) -> Engine:
    """Return the engine of a new database that contains `word`."""
    engine = create_engine(f"sqlite:///{path}")
    reconnect_if_replaced(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE words (word TEXT)"))
        connection.execute(text("INSERT INTO words VALUES (:word)"), {"word": word})
    return engine


def read(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT word FROM words")).scalars())


def test_a_replaced_file_is_opened_again(engine: Engine, tmp_path: Path) -> None:
    make_engine(tmp_path / "backup.db", "the backup").dispose()
    assert read(engine) == ["the first"]
    (tmp_path / "backup.db").replace(tmp_path / "now.db")
    assert read(engine) == ["the backup"]


def test_a_moved_file_is_not_used_any_more(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "now.db").rename(tmp_path / "away.db")
    with pytest.raises(Exception, match="no such table"):
        read(engine)
    (tmp_path / "away.db").replace(tmp_path / "now.db")
    assert read(engine) == ["the first"]


def test_the_connection_is_reused_while_the_file_is_the_same(engine: Engine) -> None:
    with engine.connect() as connection:
        first = connection.connection.dbapi_connection
    with engine.connect() as connection:
        assert connection.connection.dbapi_connection is first
