"""The interface of the webhook outbox, and the values that it takes and returns.

A delivery is one message for one endpoint. It is added in the transaction of the change that it reports. After it was
sent it stays as an entry of the log, until the retention job deletes it. Times are seconds since the epoch.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from auth_service.webhooks.messages import Message

MAX_DETAIL = 300
"""Characters of the explanation of a failed attempt that are stored."""


class DeliveryStatus(StrEnum):
    """The states of a delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    """Given up. It can be replayed."""


@dataclass(frozen=True, slots=True, repr=False)
class NewDelivery:
    """A message to send to the endpoint of this name."""

    message: Message
    endpoint: str


@dataclass(frozen=True, slots=True, repr=False)
class ClaimedDelivery:
    """A delivery that this process has claimed until `due_at`, which identifies the claim.

    `attempts` counts the attempts that failed.
    """

    id: int
    message_id: str
    type: str
    endpoint: str
    body: str
    created_at: float
    attempts: int
    due_at: float


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """The result of an attempt: the HTTP status, None without a response, and what was wrong."""

    status_code: int | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class LoggedDelivery:
    """A delivery as the log has it. `attempts` counts all attempts since the message was added or replayed."""

    id: int
    message_id: str
    type: str
    endpoint: str
    status: DeliveryStatus
    attempts: int
    created_at: float
    last_attempt_at: float | None
    due_at: float | None
    status_code: int | None
    detail: str
    body: str


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries to list or to replay. Empty values and None match every delivery.

    Deliveries were created at `since` or later.
    """

    endpoint: str = ""
    type: str = ""
    message_id: str = ""
    status: DeliveryStatus | None = None
    since: float | None = None


@dataclass(frozen=True, slots=True)
class EndpointState:
    """The state of an endpoint whose last attempt failed, or that is disabled, and the reason."""

    name: str
    failing_since: float
    disabled_at: float | None
    reason: str


class WebhookOutbox(Protocol):
    """Deliveries that wait to be sent, and those of the log. Raises StoreUnavailable if the database does not answer.

    A delivery is due at `due_at`. A claim moves `due_at` into the future, so no other process claims it meanwhile. If
    the process dies, the delivery is due again when the claim ends.
    """

    def add(self, delivery: NewDelivery) -> None:
        """Add a delivery that is due at once, and commit."""

    def claim(self, endpoint: str, now: float, until: float) -> ClaimedDelivery | None:
        """Claim the delivery to an endpoint that has been due longest; the claim ends at `until`.

        Return None if none is due, or if the endpoint is disabled.
        """

    def record_success(self, delivery: ClaimedDelivery, result: AttemptResult, now: float) -> None:
        """Record that a delivery arrived, and that its endpoint works. A later claim does not prevent it."""

    def record_failure(
        self, delivery: ClaimedDelivery, result: AttemptResult, now: float, due_at: float | None
    ) -> float:
        """Record a failed attempt. The next one is at `due_at`; None gives the delivery up.

        Return since when the endpoint has been failing. The delivery does not change if it is claimed again.
        """

    def disable(self, endpoint: str, now: float, reason: str) -> bool:
        """Claim no more deliveries to an endpoint; return False if it was disabled before."""

    def enable(self, endpoint: str) -> bool:
        """Claim deliveries to an endpoint again; return False if it was not disabled."""

    def states(self) -> Sequence[EndpointState]:
        """Return the states of endpoints that are failing or disabled."""

    def find(self, delivery_id: int) -> LoggedDelivery | None:
        """Return a delivery."""

    def page(self, wanted: DeliveryFilter, *, before: int | None, limit: int) -> Sequence[LoggedDelivery]:
        """Return at most `limit` deliveries, the newest first; with `before`, only those with a lower id."""

    def replay(self, delivery_id: int, now: float) -> bool:
        """Make a delivery that is not pending due at `now`, as if it was new; return False if there is none."""

    def replay_all(self, wanted: DeliveryFilter, now: float) -> int:
        """Replay the matching deliveries that are not pending, and return how many."""

    def waiting(self, endpoints: Collection[str]) -> int:
        """Return how many deliveries to these endpoints wait to be sent."""

    def oldest_at(self, endpoints: Collection[str]) -> float | None:
        """Return when the oldest waiting delivery to these endpoints was created; None if none waits."""

    def prune(self, before: float, limit: int) -> int:
        """Delete at most `limit` deliveries that were created before `before`, commit, and return how many."""
