"""Log one line for each audit record, stored or not. The line of a stored record follows its commit."""

from collections.abc import Sequence

import structlog

from auth_service.audit.trail import record_of
from auth_service.events.account_events import Event
from auth_service.events.client import MAX_DEVICE

_log = structlog.get_logger("audit")


def log_events(events: Sequence[Event]) -> None:
    """Log the record of each event that has one."""
    for event in events:
        record = record_of(event)
        if record:
            _log.info(
                record.name.value,
                subject=str(record.user_id) if record.user_id else None,
                sid=record.session,
                address=record.client.address,
                device=record.client.device[:MAX_DEVICE],
                **record.detail,
            )
