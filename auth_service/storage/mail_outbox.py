"""The mail outbox in SQL, and the statement that adds a mail to it."""

from uuid import uuid4

from sqlalchemy import JSON, ColumnElement, Connection, Engine, Uuid, delete, func, select, update

from auth_service.mail.outbox import MAX_ACCEPT_LANGUAGE, MailKind, NewMail, QueuedMail
from auth_service.storage.models import MailRow
from auth_service.storage.prepared_statement import PreparedStatement
from auth_service.storage.transactions import Transactions

_ADD = PreparedStatement(
    """
    INSERT INTO mail_outbox (id, kind, email, accept_language, context, created_at, attempts, due_at)
    VALUES (:id, :kind, :email, :accept_language, :context, :now, 0, :now)
    """,
    parameters={"id": Uuid(), "context": JSON()},
)

_COLUMNS = (
    MailRow.id,
    MailRow.kind,
    MailRow.email,
    MailRow.accept_language,
    MailRow.context,
    MailRow.created_at,
    MailRow.attempts,
)


def add_mail(mail: NewMail, now: float, connection: Connection) -> None:
    """Insert a mail that is due at once, in the transaction of `connection`: with the change that it is about.

    A mail without a change of its own is added by `MailOutbox.add`.
    """
    values = {
        "id": uuid4(),
        "kind": mail.kind.value,
        "email": mail.email,
        "accept_language": mail.accept_language[:MAX_ACCEPT_LANGUAGE],
        "context": dict(mail.context),
        "now": now,
    }
    _ADD.change(connection, values)


class SqlMailOutbox:
    """Mails in SQLite or PostgreSQL."""

    def __init__(self, engine: Engine, transactions: Transactions) -> None:
        self._engine = engine
        self._transactions = transactions

    def add(self, mail: NewMail, now: float) -> None:
        """Add a mail that is due at once, and commit."""
        self._transactions.run(lambda connection: add_mail(mail, now, connection))

    def claim(self, now: float, until: float) -> QueuedMail | None:
        """Claim the mail that has been due longest; the claim ends at `until`. Return None if no mail is due."""
        due = select(MailRow.id).where(MailRow.due_at <= now).order_by(MailRow.due_at).limit(1)
        with self._engine.connect() as connection:  # a read, so that an idle job does not wait for the write lock
            if connection.execute(due).first() is None:
                return None
        # On PostgreSQL, processes that claim at the same time get different mails and do not wait for each other.
        claimed = due.with_for_update(skip_locked=True).scalar_subquery()
        statement = update(MailRow).where(MailRow.id == claimed).values(due_at=until).returning(*_COLUMNS)
        row = self._transactions.run(lambda connection: connection.execute(statement).one_or_none())
        if row is None:
            return None
        mail_id, kind, email, accept_language, context, created_at, attempts = row
        return QueuedMail(mail_id, MailKind(kind), email, accept_language, context, created_at, attempts, until)

    def remove(self, mail: QueuedMail) -> None:
        """Remove a mail that was sent, or that need not be sent."""
        statement = delete(MailRow).where(MailRow.id == mail.id)
        self._transactions.run(lambda connection: connection.execute(statement))

    def postpone(self, mail: QueuedMail, due_at: float) -> None:
        """Count a failed attempt and make the mail due at `due_at`."""
        self._change(mail, due_at=due_at, attempts=MailRow.attempts + 1)

    def release(self, mail: QueuedMail, due_at: float) -> None:
        """Make a mail due at `due_at` that was not tried."""
        self._change(mail, due_at=due_at)

    def fail(self, mail: QueuedMail, now: float) -> None:
        """Give up a mail: it is kept for the operator and not sent."""
        self._change(mail, due_at=None, attempts=MailRow.attempts + 1, failed_at=now)

    def waiting(self) -> int:
        """Return how many mails wait to be sent."""
        statement = select(func.count()).select_from(MailRow).where(MailRow.due_at.is_not(None))
        with self._engine.connect() as connection:
            return connection.scalar(statement) or 0

    def oldest_at(self) -> float | None:
        """Return when the oldest waiting mail was added, in seconds since the epoch; None if no mail waits."""
        statement = select(func.min(MailRow.created_at)).where(MailRow.due_at.is_not(None))
        with self._engine.connect() as connection:
            return connection.scalar(statement)

    def prune_failed(self, before: float, limit: int) -> int:
        """Delete at most `limit` mails that failed before `before`, commit, and return how many."""
        old = select(MailRow.id).where(MailRow.failed_at < before).limit(limit)
        statement = delete(MailRow).where(MailRow.id.in_(old))
        return self._transactions.run(lambda connection: connection.execute(statement).rowcount)

    def _change(self, mail: QueuedMail, **values: float | ColumnElement[int] | None) -> None:
        """Change a mail, unless its claim has ended and another process has claimed it."""
        is_claimed = (MailRow.id == mail.id, MailRow.due_at == mail.due_at)
        statement = update(MailRow).where(*is_claimed).values(values)
        self._transactions.run(lambda connection: connection.execute(statement))
