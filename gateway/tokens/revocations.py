"""The revoked sessions and subjects, held in memory, so that checking a token needs no call.

Failure policy: while Redis is unavailable, no new revocations arrive and known ones stay in force. With
REVOCATION_FAIL=open (the default) requests are still served, so a missed revocation takes effect when the access
token expires. With REVOCATION_FAIL=closed requests get 503 if revocation_feed.py was last current more than
MAX_FEED_AGE_SECONDS ago. They do not get 401, because the client would drop a valid token.
"""

from collections.abc import Callable
from heapq import heappop, heappush

from contract.claims import LEEWAY, AccessClaims
from contract.problems import Refused
from contract.revocation import SESSION, SUBJECT, Kind, Revocation

MAX_FEED_AGE_SECONDS = 5.0
"""Time since the feed was last current after which REVOCATION_FAIL=closed answers 503."""

MAX_EVICTIONS = 2_000
"""Maximum entries that one eviction deletes: more than a feed page adds. It takes some milliseconds."""

_UNKNOWN = (-1, -1)
"""The times of a value that has no entry."""


class Revocations:
    """The revocations that can still apply to an unexpired access token.

    `on_added` is called after a revocation was added that is new or lasts longer than before.
    """

    def __init__(self, *, fail_closed: bool, on_added: Callable[[], None] | None = None) -> None:
        self.fail_closed = fail_closed
        self._on_added = on_added
        self._max_feed_age = MAX_FEED_AGE_SECONDS if fail_closed else float("inf")
        self._current_at = float("-inf") if fail_closed else float("inf")
        self._by_kind: dict[Kind, dict[str, tuple[int, int]]] = {SESSION: {}, SUBJECT: {}}
        """For each `sid` or `sub`: the revocation time, and the time until which the entry is needed."""
        self._sessions, self._subjects = self._by_kind[SESSION], self._by_kind[SUBJECT]
        self._by_expiry: list[tuple[int, Kind, str]] = []
        """A heap, so that eviction looks at expired entries only."""

    def __len__(self) -> int:
        return len(self._sessions) + len(self._subjects)

    def add(self, revocation: Revocation) -> None:
        """Add a revocation. Revocations may be added repeatedly and in any order: the latest times count."""
        entries = self._by_kind[revocation.kind]
        before = entries.get(revocation.value, _UNKNOWN)
        at, until = max(before[0], revocation.at), max(before[1], revocation.until)
        if (at, until) != before:
            entries[revocation.value] = (at, until)
            heappush(self._by_expiry, (until, revocation.kind, revocation.value))
            if self._on_added is not None:
                self._on_added()

    def values(self) -> frozenset[str]:
        """Return every `sid` and `sub` that has a revocation."""
        return frozenset(self._sessions) | frozenset(self._subjects)

    def mark_current(self, now: float) -> None:
        """Record that every revocation published before `now` was added."""
        if self.fail_closed:
            self._current_at = now

    def check(self, claims: AccessClaims, now: float) -> None:
        """Raise Refused(401) if the session or subject of `claims` was revoked, or 503 by the failure policy."""
        if now - self._current_at > self._max_feed_age:
            raise Refused("revocations_unavailable", retry_after=1)
        if claims.session in self._sessions:
            raise Refused("token_revoked")
        revoked = self._subjects.get(claims.subject)
        if revoked is not None and claims.issued_at <= revoked[0]:
            raise Refused("token_revoked")

    def evict_expired(self, now: float) -> None:
        """Delete up to MAX_EVICTIONS entries whose tokens have all expired."""
        for _ in range(MAX_EVICTIONS):
            # LEEWAY is the longest access-token leeway that can be set.
            if not self._by_expiry or self._by_expiry[0][0] + LEEWAY >= now:
                return
            until, kind, value = heappop(self._by_expiry)
            # A later revocation of the same value has a later expiry and a heap entry of its own.
            if self._by_kind[kind].get(value, _UNKNOWN)[1] == until:
                del self._by_kind[kind][value]
