"""The dispatcher: it calls the subscribers of an event after the event's commit.

Failure policy: the change is committed, so an error of a subscriber is logged and does not fail the request. The
other subscribers are still called. A subscriber that must not lose an event has to recover by itself: the revocation
feed, for example, publishes again from SQL.
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
    subscriber: Callable[[Any], None]  # its parameter is a sequence of `kind`: the type of `subscribe` ensures it


class Dispatcher:
    """Calls each subscriber with the events of its kind, in the order of subscription."""

    def __init__(self) -> None:
        self._subscriptions: list[_Subscription] = []

    def subscribe(self, kind: type[Kind], subscriber: Callable[[Sequence[Kind]], None]) -> None:
        """Call `subscriber` once per `dispatch` with the events of `kind` and its subclasses."""
        self._subscriptions.append(_Subscription(kind, subscriber))

    def dispatch(self, events: Sequence[Event]) -> None:
        """Call the subscribers with the events of one commit. Errors of subscribers are logged, not raised."""
        if not events:
            return
        for subscription in self._subscriptions:
            matching = [event for event in events if isinstance(event, subscription.kind)]
            if not matching:
                continue
            try:
                subscription.subscriber(matching)
            except Exception:  # noqa: BLE001 - the change is committed, so the request succeeds
                name = getattr(subscription.subscriber, "__qualname__", repr(subscription.subscriber))
                kinds = sorted({type(event).__name__ for event in matching})
                _log.exception("event_subscriber_failed", subscriber=name, events=kinds)
