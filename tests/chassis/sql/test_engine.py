"""Accepted database URLs, the options of engines, and the settings of SQLite."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from chassis.sql.engine import database_url, engine_options, prepare_engine

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
def test_postgresql_urls_use_psycopg_3_and_keep_the_password(written: str, read: str) -> None:
    assert database_url(written) == read


@pytest.mark.parametrize(
    "written", ["", "notes.db", "mysql://db/notes", "postgresql+psycopg2://db/x", "oracle://x", "://"]
)
def test_other_databases_are_rejected_without_showing_the_url(written: str) -> None:
    with pytest.raises(ValueError, match=r"database URL|must be") as error:
        database_url(written)
    assert not written or written not in str(error.value)


@pytest.mark.parametrize("written", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_an_in_memory_database_is_rejected(written: str) -> None:
    with pytest.raises(ValueError, match="must name a file"):
        database_url(written)


def test_calls_to_postgresql_have_timeouts() -> None:
    options = engine_options("postgresql+psycopg://db/notes", threads=8)
    assert options["pool_pre_ping"]
    assert options["connect_args"]["connect_timeout"] <= 3
    assert "statement_timeout=10000" in options["connect_args"]["options"]
    assert options["connect_args"]["tcp_user_timeout"] <= 5_000


def test_errors_do_not_show_statement_parameters() -> None:
    for url in URLS:
        assert engine_options(url, threads=8)["hide_parameters"]


@pytest.mark.parametrize("url", URLS)
def test_the_pool_has_a_connection_for_each_thread_and_a_short_timeout(url: str) -> None:
    options = engine_options(url, threads=40)
    assert (options["pool_size"], options["max_overflow"]) == (40, 0)
    assert options["pool_timeout"] <= 5


def test_sqlite_syncs_every_commit_and_checks_foreign_keys(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'notes.db'}"
    engine = create_engine(url, **engine_options(url, threads=1))
    prepare_engine(engine)
    pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    with engine.connect() as connection:
        found = [connection.execute(text(f"PRAGMA {name}")).scalar() for name in pragmas]
    engine.dispose()
    assert found == ["wal", 2, 1, 5_000]
