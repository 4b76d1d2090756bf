"""Which SQL databases a service takes, and how SQLite behaves like one."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from chassis.database import database_url, engine_options, prepare_engine

URLS = ("sqlite:////data/notes.db", "postgresql+psycopg://db/notes")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("postgres://u:p@db/notes", "postgresql+psycopg://u:p@db/notes"),
        ("postgresql://u:p@db:5433/notes?sslmode=require", "postgresql+psycopg://u:p@db:5433/notes?sslmode=require"),
        ("postgresql+psycopg://db/notes", "postgresql+psycopg://db/notes"),
        ("sqlite:////data/notes.db", "sqlite:////data/notes.db"),
        ("postgres://u:p%40ss@db/notes", "postgresql+psycopg://u:p%40ss@db/notes"),
    ],
)
def test_postgresql_goes_to_psycopg_3_and_keeps_its_password(written: str, read: str) -> None:
    assert database_url(written) == read


@pytest.mark.parametrize(
    "written", ["", "notes.db", "mysql://db/notes", "postgresql+psycopg2://db/x", "oracle://x", "://"]
)
def test_any_other_database_is_refused_and_its_url_not_repeated(written: str) -> None:
    with pytest.raises(ValueError, match=r"database URL|must be") as refused:
        database_url(written)
    assert not written or written not in str(refused.value)


@pytest.mark.parametrize("written", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="must name a file"):
        database_url(written)


def test_no_call_to_postgresql_waits_for_long() -> None:
    options = engine_options("postgresql+psycopg://db/notes", threads=8)
    assert options["pool_pre_ping"]
    assert options["connect_args"]["connect_timeout"] <= 3
    assert "statement_timeout=10000" in options["connect_args"]["options"]


def test_errors_do_not_show_a_statements_values() -> None:
    for url in URLS:
        assert engine_options(url, threads=8)["hide_parameters"]


@pytest.mark.parametrize("url", URLS)
def test_no_thread_waits_for_a_connection_and_one_too_many_not_for_long(url: str) -> None:
    options = engine_options(url, threads=40)
    assert (options["pool_size"], options["max_overflow"]) == (40, 0)
    assert options["pool_timeout"] <= 5


def test_sqlite_keeps_what_was_committed_and_checks_references(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'notes.db'}"
    engine = create_engine(url, **engine_options(url, threads=1))
    prepare_engine(engine)
    pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    with engine.connect() as connection:
        found = [connection.execute(text(f"PRAGMA {name}")).scalar() for name in pragmas]
    engine.dispose()
    assert found == ["wal", 2, 1, 5_000]
