"""The SQL statement that adds audit records."""

from collections.abc import Sequence

from sqlalchemy import JSON, Connection, Uuid

from auth_service.audit.trail import AuditRecord
from auth_service.events.client import MAX_DEVICE
from auth_service.storage.prepared_statement import PreparedStatement

_ADD = PreparedStatement(
    """
    INSERT INTO audit_events (at, event, user_id, session, address, device, detail)
    VALUES (:at, :event, :user_id, :session, :address, :device, :detail)
    """,
    parameters={"user_id": Uuid(), "detail": JSON()},
)


def add_records(records: Sequence[AuditRecord], connection: Connection) -> None:
    """Insert records in the transaction of `connection`."""
    for record in records:
        _ADD.change(connection, _row(record))


def _row(record: AuditRecord) -> dict[str, object]:
    return {
        "at": record.at,
        "event": record.name.value,
        "user_id": record.user_id,
        "session": record.session,
        "address": record.client.address,
        "device": record.client.device[:MAX_DEVICE],
        "detail": dict(record.detail),
    }
