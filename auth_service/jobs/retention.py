"""The retention job: it deletes what is too old: audit records, failed log-ins, sessions, mails and webhooks.

It deletes in small batches, each in a transaction of its own, so that requests do not wait long for the database.
Several workers may run it at once.
"""

from collections.abc import Callable

from auth_service.audit.store import AuditStore
from auth_service.mail.outbox import MailOutbox
from auth_service.sessions.foreign_tokens import ForeignTokenStore
from auth_service.sessions.store import SessionStore
from auth_service.webhooks.outbox import WebhookOutbox
from chassis.clock import Clock

INTERVAL = 60.0
"""Seconds between two runs."""
BATCH = 500
"""Rows that one statement deletes."""
MAX_BATCHES = 20
"""Batches of one kind in one run. Later runs delete the remaining rows."""
DAY = 86_400.0
"""Seconds of a day."""
FAILED_MAILS_KEPT = 30 * DAY
"""Seconds for which a mail that was given up is kept for the operator."""


class Retention:
    """Deletes expired rows. `audit_retention` and `webhook_retention` are in seconds."""

    def __init__(
        self,
        audit: AuditStore,
        sessions: SessionStore,
        outbox: MailOutbox,
        foreign_tokens: ForeignTokenStore,
        webhooks: WebhookOutbox,
        *,
        audit_retention: float,
        webhook_retention: float,
        clock: Clock,
    ) -> None:
        self._audit = audit
        self._sessions = sessions
        self._outbox = outbox
        self._foreign_tokens = foreign_tokens
        self._webhooks = webhooks
        self._audit_retention = audit_retention
        self._webhook_retention = webhook_retention
        self._clock = clock

    def delete_expired(self) -> int:
        """Delete expired rows and return how many. A session is deleted a day after its last token expired."""
        now = self._clock()
        deleted = _prune_in_batches(lambda: self._audit.prune(now - self._audit_retention, BATCH))
        deleted += _prune_in_batches(lambda: self._audit.prune_failed_logins(now, BATCH))
        deleted += _prune_in_batches(lambda: self._outbox.prune_failed(now - FAILED_MAILS_KEPT, BATCH))
        deleted += _prune_in_batches(lambda: self._webhooks.prune(now - self._webhook_retention, BATCH))
        deleted += _prune_in_batches(lambda: self._foreign_tokens.prune(now - DAY, BATCH))
        return deleted + _prune_in_batches(lambda: self._sessions.prune(now - DAY, BATCH))


def _prune_in_batches(prune: Callable[[], int]) -> int:
    deleted = 0
    for _ in range(MAX_BATCHES):
        batch = prune()
        deleted += batch
        if batch < BATCH:
            break
    return deleted
