"""The stores under test, on SQLite and on a PostgreSQL server that the tests start."""

import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import event, select, text

from auth_service.accounts.user import AccountStatus, NewUser, User
from auth_service.events.account_events import Event
from auth_service.events.client import Client
from auth_service.sessions.refresh_policy import RefreshPolicy
from auth_service.sessions.store import Session, new_session
from auth_service.storage.database import open_database
from auth_service.storage.models import AuditRow, SessionRow, db
from auth_service.storage.schema import install_migrations, upgrade
from auth_service.storage.stores import Stores, sql_stores
from chassis.sql.engine import database_url
from tests.postgres import find_program, running_postgres

NOW = 1_800_000_000.0
POLICY = RefreshPolicy(grace=10, confirm=True, idle_lifetime=10**6, access_lifetime=300)
PHONE = Client("a phone", "192.0.2.7")
BROWSER = Client("a browser", "192.0.2.8")
THREADS = 16

Result = TypeVar("Result")


@dataclass
class StoreWorld:
    """The stores of one database, the events that they dispatched, and helpers for the tests."""

    app: Flask
    stores: Stores
    dispatched: list[Event] = field(default_factory=list)

    def register(self, email: str = "ann@example.org", status: AccountStatus = AccountStatus.ACTIVE) -> User:
        """Register a user."""
        return self.stores.users.register(NewUser(email, "hash", status=status), NOW)

    def open(
        self,
        user: User,
        now: float = NOW,
        *,
        lifetime: float = 10**7,
        handle_hash: str | None = None,
        replaces: str | None = None,
        max_sessions: int = 0,
    ) -> Session:
        """Open a session of `user`."""
        session = new_session(user.id, now, lifetime, POLICY)
        assert self.stores.sessions.open(
            session, user, PHONE, handle_hash=handle_hash, replaces=replaces, max_sessions=max_sessions
        )
        return session

    def row(self, session: Session) -> SessionRow:
        """Return the row of a session."""
        db.session.expire_all()
        return db.session.get_one(SessionRow, session.sid)

    def records(self, user_id: UUID | None) -> list[tuple[str, str | None, dict[str, str | int]]]:
        """Return the name, session and detail of a user's audit records after that of the registration, in order."""
        db.session.rollback()
        rows = db.session.scalars(select(AuditRow).where(AuditRow.user_id == user_id).order_by(AuditRow.id))
        return [(row.event, row.session, row.detail) for row in rows if row.event != "registered"]

    def in_parallel(self, *works: Callable[[], Result]) -> list[Result]:
        """Run each of `works` in a thread with an application context; return their results in the same order."""
        barrier = threading.Barrier(len(works))
        results: dict[int, Result] = {}
        errors: list[Exception] = []

        def run(number: int, work: Callable[[], Result]) -> None:
            with self.app.app_context():
                barrier.wait()
                try:
                    results[number] = work()
                except Exception as error:  # noqa: BLE001 - the test fails with it below
                    errors.append(error)

        threads = [threading.Thread(target=run, args=each) for each in enumerate(works)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        return [results[number] for number in range(len(works))]

    def break_audit_inserts(self) -> None:
        """Make the database refuse every new audit record."""

        def change(_: object, __: object, statement: str, parameters: object, *___: object) -> tuple[str, object]:
            return statement.replace("INSERT INTO audit_events", "INSERT INTO missing"), parameters

        event.listen(db.engine, "before_cursor_execute", change, retval=True)


def app_on(url: str) -> Flask:
    """Return an application that has a database and nothing else."""
    app = Flask("stores")
    # A connection for each thread of a race, and one for the test.
    open_database(app, database_url(url), 4 * THREADS)
    return app


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    if find_program("postgres") is None:
        pytest.skip("PostgreSQL is not installed")
    with running_postgres() as server:
        app = app_on(server.url)
        install_migrations(app)
        with app.app_context():
            upgrade()
            db.engine.dispose()
        yield server.url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    migrated: Path = request.getfixturevalue("migrated_database")
    return f"sqlite:///{shutil.copy(migrated, tmp_path / 'stores.db')}"


@pytest.fixture
def world(url: str) -> Iterator[StoreWorld]:
    app = app_on(url)
    with app.app_context():
        dispatched: list[Event] = []
        stores = sql_stores(db.engine, POLICY, dispatched.extend, lambda: BROWSER)
        yield StoreWorld(app, stores, dispatched)
        db.session.close()
        if db.engine.dialect.name == "postgresql":
            with db.engine.begin() as connection:
                connection.execute(
                    text(
                        "TRUNCATE users, sessions, audit_events, mail_outbox, imported_users, foreign_tokens, "
                        "signing_keys, webhook_deliveries, webhook_endpoints"
                    )
                )
        db.engine.dispose()


@pytest.fixture
def ann(world: StoreWorld) -> User:
    """A registered user."""
    return world.register()


@pytest.fixture
def session(world: StoreWorld, ann: User) -> Session:
    """A session of `ann`, whose events have been cleared from `world.dispatched`."""
    session = world.open(ann)
    world.dispatched.clear()
    return session


@pytest.fixture(params=["sqlite", "postgresql"])
def unreachable(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    """The stores of a database that cannot be reached."""
    path = tmp_path / "nothing"
    app = app_on(f"sqlite:///{path}/auth.db" if request.param == "sqlite" else f"postgresql:///auth?host={path}")
    with app.app_context():
        yield sql_stores(db.engine, POLICY, lambda _: None, lambda: BROWSER)
        db.session.close()
        db.engine.dispose()
