"""Create the SQL stores of the application."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Engine

from auth_service.accounts.directory import UserDirectory
from auth_service.accounts.store import UserStore
from auth_service.audit.store import AuditStore
from auth_service.events.account_events import Event
from auth_service.events.client import Client
from auth_service.events.dispatcher import Dispatch
from auth_service.importing.store import ImportStore
from auth_service.mail.outbox import MailOutbox, NewMail
from auth_service.sessions.foreign_tokens import ForeignTokenStore
from auth_service.sessions.refresh_policy import RefreshPolicy
from auth_service.sessions.store import SessionStore
from auth_service.storage.audit.store import SqlAuditStore
from auth_service.storage.database import current_database, release_connection
from auth_service.storage.group_commit import CommitStrategy, GroupCommit, SeparateTransactions
from auth_service.storage.key_use_store import SqlKeyUseStore
from auth_service.storage.mail_outbox import SqlMailOutbox, add_mail
from auth_service.storage.moving_in.foreign_token_store import SqlForeignTokenStore
from auth_service.storage.moving_in.import_store import SqlImportStore
from auth_service.storage.sessions.store import SqlSessionStore
from auth_service.storage.transactions import Transactions
from auth_service.storage.users.directory import SqlUserDirectory
from auth_service.storage.users.store import SqlUserStore
from auth_service.storage.webhooks.outbox import SqlWebhookOutbox, add_delivery
from auth_service.tokens.key_use import KeyUseStore
from auth_service.webhooks.outbox import NewDelivery, WebhookOutbox


class Stores(NamedTuple):
    """One store of each kind, all on the same database."""

    users: UserStore
    sessions: SessionStore
    audit: AuditStore
    outbox: MailOutbox
    imports: ImportStore
    foreign_tokens: ForeignTokenStore
    directory: UserDirectory
    key_uses: KeyUseStore
    webhooks: WebhookOutbox


MailFor = Callable[[Event], NewMail | None]
"""Returns the mail that an event causes; None if it causes none."""
WebhooksFor = Callable[[Event], Sequence[NewDelivery]]
"""Returns the deliveries of webhooks that an event causes."""


def sql_stores(
    engine: Engine,
    policy: RefreshPolicy,
    dispatch: Dispatch,
    current_client: Callable[[], Client],
    mail_for: MailFor = lambda _: None,
    webhooks_for: WebhooksFor = lambda _: (),
) -> Stores:
    """Return the stores on `engine`. Methods that take no client use `current_client()` in their events."""

    def add_messages(events: Sequence[Event], connection: Connection) -> None:
        for event in events:
            mail = mail_for(event)
            if mail:
                add_mail(mail, event.at, connection)
            for delivery in webhooks_for(event):
                add_delivery(delivery, connection)

    database = current_database()
    commit_strategy: CommitStrategy
    if engine.dialect.name == "sqlite":
        commit_strategy = GroupCommit(engine, release_connection)
    else:
        commit_strategy = SeparateTransactions(engine, release_connection)
    transactions = Transactions(commit_strategy, dispatch, add_messages)
    return Stores(
        SqlUserStore(database, engine, transactions, current_client),
        SqlSessionStore(database, engine, transactions, policy, current_client),
        SqlAuditStore(database, transactions),
        SqlMailOutbox(engine, transactions),
        SqlImportStore(engine),
        SqlForeignTokenStore(engine, transactions),
        SqlUserDirectory(database),
        SqlKeyUseStore(engine, transactions),
        SqlWebhookOutbox(engine, transactions),
    )
