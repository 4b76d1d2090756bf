"""Count log-ins, refreshes and ended sessions from their events."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter

from auth_service.events.account_events import (
    EndReason,
    Event,
    LoggedIn,
    LoginFailed,
    LoginThrottled,
    SessionEnded,
    SessionMovedIn,
    TokensRefreshed,
)

_LOGIN_RESULTS: dict[type[Event], str] = {
    LoggedIn: "ok",
    SessionMovedIn: "moved_in",
    LoginFailed: "failed",
    LoginThrottled: "throttled",
}
_REFRESH_RESULTS = {
    "rotate": "rotated",
    "rotatenewer": "rotated",
    "reissue": "same_successor",
    "reissuesame": "same_token",
}
"""Values of the label `result` by the `decision` of TokensRefreshed."""
_REPLAY = "replay"


class EventMetrics:
    """Counters of account events. `count` is a subscriber of the dispatcher."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._logins = Counter("sallyport_auth_logins", "Log-ins, by result.", ["result"], registry=registry)
        self._refreshes = Counter(
            "sallyport_auth_refreshes",
            "Refreshes: rotated; same_successor and same_token for a retry; replay for a refused one that ended its"
            " session.",
            ["result"],
            registry=registry,
        )
        self._sessions_ended = Counter(
            "sallyport_auth_sessions_ended", "Ended sessions, by reason.", ["reason"], registry=registry
        )
        # From the start at 0, because Prometheus sees no increase in the first value of a series.
        for result in _LOGIN_RESULTS.values():
            self._logins.labels(result)
        for result in (*_REFRESH_RESULTS.values(), _REPLAY):
            self._refreshes.labels(result)

    def count(self, events: Sequence[Event]) -> None:
        """Count the events that have a counter."""
        for event in events:
            match event:
                case TokensRefreshed(decision=decision):
                    self._refreshes.labels(_REFRESH_RESULTS[decision]).inc()
                case SessionEnded(reason=reason):
                    self._sessions_ended.labels(reason.name.lower()).inc()
                    if reason is EndReason.REPLAY:
                        self._refreshes.labels(_REPLAY).inc()
                case LoggedIn() | SessionMovedIn() | LoginFailed() | LoginThrottled():
                    self._logins.labels(_LOGIN_RESULTS[type(event)]).inc()
