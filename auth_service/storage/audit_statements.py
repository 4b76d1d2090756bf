"""The SQL statement that adds audit records."""

from collections.abc import Sequence

from sqlalchemy import JSON, Connection, Uuid, bindparam, text

from auth_service.audit.trail import AuditRecord
from auth_service.events.client import MAX_DEVICE

# SQL text, because an insert through the ORM takes several times as long and every log-in adds a row.
_ADD = text("""
    INSERT INTO audit_events (at, event, user_id, session, address, device, detail)
    VALUES (:at, :event, :user_id, :session, :address, :device, :detail)
""").bindparams(bindparam("user_id", type_=Uuid()), bindparam("detail", type_=JSON()))


def add_records(records: Sequence[AuditRecord], connection: Connection) -> None:
    """Insert records in the transaction of `connection`."""
    if records:
        connection.execute(_ADD, [_row(record) for record in records])


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
