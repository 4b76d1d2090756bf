"""The SQL stores, as the application uses them."""

from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy import Engine

from auth_service.accounts.store import UserStore
from auth_service.audit.store import AuditStore
from auth_service.events.client import Client
from auth_service.events.dispatcher import Dispatch
from auth_service.sessions.refresh_policy import RefreshPolicy
from auth_service.sessions.store import SessionStore
from auth_service.storage.audit_store import SqlAuditStore
from auth_service.storage.database import current_database, release_connection
from auth_service.storage.group_commit import Commits, GroupCommit, SeparateCommits
from auth_service.storage.session_store import SqlSessionStore
from auth_service.storage.transactions import Transactions
from auth_service.storage.user_store import SqlUserStore


class Stores(NamedTuple):
    """One store of each kind, on the same database."""

    users: UserStore
    sessions: SessionStore
    audit: AuditStore


def sql_stores(
    engine: Engine, policy: RefreshPolicy, dispatch: Dispatch, current_client: Callable[[], Client]
) -> Stores:
    """Return the stores on `engine`; they dispatch events and attribute changes to `current_client()`."""
    database = current_database()
    commits: Commits
    if engine.dialect.name == "sqlite":
        commits = GroupCommit(engine, release_connection)
    else:
        commits = SeparateCommits(database)
    transactions = Transactions(commits, dispatch)
    return Stores(
        SqlUserStore(database, engine, transactions, current_client),
        SqlSessionStore(database, transactions, policy, current_client),
        SqlAuditStore(database, transactions),
    )
