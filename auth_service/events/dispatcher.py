"""The dispatcher: it hands committed events to the subscribers.

Failure policy: the change behind an event is committed, so a subscriber that fails neither fails the request nor
keeps the event from the other subscribers. Its error is logged. A subscriber that must not lose an event has to
recover by itself, as the revocation feed does: it publishes again from SQL.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from auth_service.events.account_events import Event

_log = structlog.get_logger("events")

Kind = TypeVar("Kind", bound=Event)
Dispatch = Callable[[Sequence[Event]], None]


@dataclass(frozen=True, slots=True)
class _Subscription:
    kind: type[Event]
    subscriber: Callable[[Any], None]  # takes a sequence of `kind`, as `subscribe` checks


class Dispatcher:
    """Calls every subscriber with the events of its kind, in the order of subscription."""

    def __init__(self) -> None:
        self._subscriptions: list[_Subscription] = []

    def subscribe(self, kind: type[Kind], subscriber: Callable[[Sequence[Kind]], None]) -> None:
        """Call `subscriber` with the events of `kind` and its subclasses, once for those of one commit."""
        self._subscriptions.append(_Subscription(kind, subscriber))

    def dispatch(self, events: Sequence[Event]) -> None:
        """Hand the events of one commit to the subscribers. Never raises an Exception."""
        if not events:
            return
        for subscription in self._subscriptions:
            wanted = [event for event in events if isinstance(event, subscription.kind)]
            if not wanted:
                continue
            try:
                subscription.subscriber(wanted)
            except Exception:  # noqa: BLE001 - the change is committed: no subscriber may undo the answer
                name = getattr(subscription.subscriber, "__qualname__", repr(subscription.subscriber))
                kinds = sorted({type(event).__name__ for event in wanted})
                _log.exception("event_subscriber_failed", subscriber=name, events=kinds)
