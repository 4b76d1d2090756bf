"""The webhook outbox in SQL, and the statement that adds a delivery to it."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Select, delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from auth_service.storage.models import WebhookDeliveryRow, WebhookEndpointRow
from auth_service.storage.prepared_statement import PreparedStatement
from auth_service.storage.transactions import Transactions
from auth_service.webhooks.outbox import (
    MAX_DETAIL,
    AttemptResult,
    ClaimedDelivery,
    DeliveryFilter,
    DeliveryStatus,
    EndpointState,
    LoggedDelivery,
    NewDelivery,
)

_ADD = PreparedStatement(
    """
    INSERT INTO webhook_deliveries (message_id, type, endpoint, body, created_at, status, attempts, due_at, detail)
    VALUES (:message_id, :type, :endpoint, :body, :now, 'pending', 0, :now, '')
    """
)

_Row = WebhookDeliveryRow
_CLAIMED = (_Row.id, _Row.message_id, _Row.type, _Row.endpoint, _Row.body, _Row.created_at, _Row.attempts)
_LOGGED: Select[*tuple[Any, ...]] = select(
    _Row.id,
    _Row.message_id,
    _Row.type,
    _Row.endpoint,
    _Row.status,
    _Row.attempts,
    _Row.created_at,
    _Row.last_attempt_at,
    _Row.due_at,
    _Row.status_code,
    _Row.detail,
    _Row.body,
)


def add_delivery(delivery: NewDelivery, connection: Connection) -> None:
    """Insert a delivery that is due at once, in the transaction of `connection`: with the change that it reports."""
    message = delivery.message
    _ADD.change(
        connection,
        {
            "message_id": message.id,
            "type": message.type,
            "endpoint": delivery.endpoint,
            "body": message.body,
            "now": message.at,
        },
    )


class SqlWebhookOutbox:
    """Deliveries in SQLite or PostgreSQL."""

    def __init__(self, engine: Engine, transactions: Transactions) -> None:
        self._engine = engine
        self._transactions = transactions

    def add(self, delivery: NewDelivery) -> None:
        """Add a delivery that is due at once, and commit."""
        self._transactions.run(lambda connection: add_delivery(delivery, connection))

    def claim(self, endpoint: str, now: float, until: float) -> ClaimedDelivery | None:
        """Claim the delivery to an endpoint that has been due longest; the claim ends at `until`."""
        is_disabled = exists().where(WebhookEndpointRow.name == endpoint, WebhookEndpointRow.disabled_at.is_not(None))
        due = (
            select(_Row.id)
            .where(_Row.endpoint == endpoint, _Row.due_at <= now, ~is_disabled)
            .order_by(_Row.due_at, _Row.id)
            .limit(1)
        )
        with self._engine.connect() as connection:  # a read, so that an idle job does not wait for the write lock
            if connection.execute(due).first() is None:
                return None
        # On PostgreSQL, processes that claim at the same time get different deliveries, without waiting.
        claimed = due.with_for_update(skip_locked=True, of=_Row).scalar_subquery()
        statement = update(_Row).where(_Row.id == claimed).values(due_at=until).returning(*_CLAIMED)
        row = self._transactions.run(lambda connection: connection.execute(statement).one_or_none())
        return ClaimedDelivery(*row, until) if row else None

    def record_success(self, delivery: ClaimedDelivery, result: AttemptResult, now: float) -> None:
        """Record that a delivery arrived, and that its endpoint works."""
        arrived = (
            update(_Row)
            .where(_Row.id == delivery.id, _Row.due_at.is_not(None))
            .values(**_attempt(result, now), status=DeliveryStatus.DELIVERED.value, due_at=None)
        )
        works = delete(WebhookEndpointRow).where(
            WebhookEndpointRow.name == delivery.endpoint, WebhookEndpointRow.disabled_at.is_(None)
        )

        def write(connection: Connection) -> None:
            connection.execute(arrived)
            connection.execute(works)

        self._transactions.run(write)

    def record_failure(
        self, delivery: ClaimedDelivery, result: AttemptResult, now: float, due_at: float | None
    ) -> float:
        """Record a failed attempt, and return since when the endpoint has been failing."""
        status = DeliveryStatus.FAILED if due_at is None else DeliveryStatus.PENDING
        failed = (
            update(_Row)
            .where(_Row.id == delivery.id, _Row.due_at == delivery.due_at)
            .values(**_attempt(result, now), status=status.value, due_at=due_at)
        )
        since = select(WebhookEndpointRow.failing_since).where(WebhookEndpointRow.name == delivery.endpoint)

        def write(connection: Connection) -> float:
            if connection.execute(failed).rowcount:
                _insert_state(connection, delivery.endpoint, now)
            return connection.scalar(since) or now

        return self._transactions.run(write)

    def disable(self, endpoint: str, now: float, reason: str) -> bool:
        """Claim no more deliveries to an endpoint; return False if it was disabled before."""
        statement = (
            update(WebhookEndpointRow)
            .where(WebhookEndpointRow.name == endpoint, WebhookEndpointRow.disabled_at.is_(None))
            .values(disabled_at=now, reason=reason)
        )

        def write(connection: Connection) -> bool:
            _insert_state(connection, endpoint, now)
            return connection.execute(statement).rowcount == 1

        return self._transactions.run(write)

    def enable(self, endpoint: str) -> bool:
        """Claim deliveries to an endpoint again; return False if it was not disabled."""
        statement = delete(WebhookEndpointRow).where(
            WebhookEndpointRow.name == endpoint, WebhookEndpointRow.disabled_at.is_not(None)
        )
        return self._transactions.run(lambda connection: connection.execute(statement).rowcount == 1)

    def states(self) -> Sequence[EndpointState]:
        """Return the states of endpoints that are failing or disabled."""
        row = WebhookEndpointRow
        statement = select(row.name, row.failing_since, row.disabled_at, row.reason).order_by(row.name)
        with self._engine.connect() as connection:
            return [EndpointState(*found) for found in connection.execute(statement)]

    def find(self, delivery_id: int) -> LoggedDelivery | None:
        """Return a delivery."""
        with self._engine.connect() as connection:
            row = connection.execute(_LOGGED.where(_Row.id == delivery_id)).one_or_none()
        return _logged(row) if row else None

    def page(self, wanted: DeliveryFilter, *, before: int | None, limit: int) -> Sequence[LoggedDelivery]:
        """Return at most `limit` deliveries, the newest first; with `before`, only those with a lower id."""
        statement = _LOGGED.where(*_conditions(wanted)).order_by(_Row.id.desc()).limit(limit)
        if before is not None:
            statement = statement.where(_Row.id < before)
        with self._engine.connect() as connection:
            return [_logged(row) for row in connection.execute(statement)]

    def replay(self, delivery_id: int, now: float) -> bool:
        """Make a delivery that is not pending due at `now`, as if it was new; return False if there is none."""
        return self._replay([_Row.id == delivery_id], now) == 1

    def replay_all(self, wanted: DeliveryFilter, now: float) -> int:
        """Replay the matching deliveries that are not pending, and return how many."""
        return self._replay(_conditions(wanted), now)

    def _replay(self, conditions: Sequence[ColumnElement[bool]], now: float) -> int:
        statement = (
            update(_Row)
            .where(*conditions, _Row.due_at.is_(None))
            .values(status=DeliveryStatus.PENDING.value, due_at=now, attempts=0)
        )
        return self._transactions.run(lambda connection: connection.execute(statement).rowcount)

    def waiting(self, endpoints: Collection[str]) -> int:
        """Return how many deliveries to these endpoints wait to be sent."""
        statement = select(func.count()).select_from(_Row).where(*_is_waiting(endpoints))
        with self._engine.connect() as connection:
            return connection.scalar(statement) or 0

    def oldest_at(self, endpoints: Collection[str]) -> float | None:
        """Return when the oldest waiting delivery to these endpoints was created; None if none waits."""
        statement = select(func.min(_Row.created_at)).where(*_is_waiting(endpoints))
        with self._engine.connect() as connection:
            return connection.scalar(statement)

    def prune(self, before: float, limit: int) -> int:
        """Delete at most `limit` deliveries that were created before `before`, commit, and return how many."""
        old = select(_Row.id).where(_Row.created_at < before).limit(limit)
        statement = delete(_Row).where(_Row.id.in_(old))
        return self._transactions.run(lambda connection: connection.execute(statement).rowcount)


def _attempt(result: AttemptResult, now: float) -> dict[str, object]:
    return {
        "attempts": _Row.attempts + 1,
        "last_attempt_at": now,
        "status_code": result.status_code,
        "detail": result.detail[:MAX_DETAIL],
    }


def _insert_state(connection: Connection, endpoint: str, now: float) -> None:
    """Insert that an endpoint has been failing since `now`, unless it was failing before."""
    insert = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
    row = insert(WebhookEndpointRow).values(name=endpoint, failing_since=now, reason="")
    connection.execute(row.on_conflict_do_nothing(index_elements=["name"]))


def _is_waiting(endpoints: Collection[str]) -> Sequence[ColumnElement[bool]]:
    return (_Row.endpoint.in_(endpoints), _Row.due_at.is_not(None))


def _conditions(wanted: DeliveryFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.endpoint:
        conditions.append(_Row.endpoint == wanted.endpoint)
    if wanted.type:
        conditions.append(_Row.type == wanted.type)
    if wanted.message_id:
        conditions.append(_Row.message_id == wanted.message_id)
    if wanted.status:
        conditions.append(_Row.status == wanted.status.value)
    if wanted.since is not None:
        conditions.append(_Row.created_at >= wanted.since)
    return conditions


def _logged(row: Sequence[Any]) -> LoggedDelivery:
    delivery_id, message_id, message_type, endpoint, status, *others = row
    return LoggedDelivery(delivery_id, message_id, message_type, endpoint, DeliveryStatus(status), *others)
