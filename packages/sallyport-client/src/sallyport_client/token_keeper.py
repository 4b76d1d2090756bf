"""The tokens that a process holds, and the copy in its store, which other processes may change."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from sallyport_client.errors import StoreError
from sallyport_client.tokens import Tokens, TokenStore

_log = logging.getLogger("sallyport_client")

_LONGEST_MARGIN = 30.0
_MARGIN_PART = 0.1


@dataclass(frozen=True, slots=True)
class HeldTokens:
    """Tokens, and when this process received them (seconds of its monotonic clock; None if it read them)."""

    tokens: Tokens
    received_at: float | None = None

    def remaining(self, now: float) -> float | None:
        """Return the seconds until the access token expires; None if that is unknown.

        It is the lifetime that the server gave minus the time since the token was received. The date and time of this
        machine are not part of it: they may be wrong, and may be corrected at any moment.
        """
        lifetime = self.tokens.access_lifetime
        if lifetime is None or self.received_at is None:
            return None
        return lifetime - (now - self.received_at)

    def is_due(self, now: float) -> bool:
        """Return whether the last tenth of the lifetime has begun, or its last 30 seconds if that is less."""
        remaining, lifetime = self.remaining(now), self.tokens.access_lifetime
        return remaining is not None and remaining <= min(_LONGEST_MARGIN, (lifetime or 0) * _MARGIN_PART)

    def is_expired(self, now: float) -> bool:
        """Return whether the access token has expired, as far as this process knows."""
        remaining = self.remaining(now)
        return remaining is not None and remaining <= 0


class TokenKeeper:
    """Holds the tokens in memory, and in a store before anything uses them.

    `held` may be read at any time. The methods take turns; they wait for the store, but never for the network.
    """

    def __init__(self, store: TokenStore, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._in_store = store.load()
        """What the store has, as far as this process knows. Anything else was written by another process."""
        self.held = HeldTokens(self._in_store) if self._in_store else None
        self.logins = 0
        """The number of log-ins and log-outs. Answers to requests from before the last one are discarded."""

    def synchronize(self) -> HeldTokens | None:
        """Take over what another process did with the store (a refresh, a log-in or a log-out); return `held`."""
        with self._lock:
            self._synchronize()
            return self.held

    def replace(self, tokens: Tokens, logins: int) -> HeldTokens | None:
        """Store refreshed tokens, unless there was a log-in or log-out since `logins`; return `held`.

        If the store fails, the tokens are held in memory alone, and the next refresh tries to store them again.
        """
        with self._lock:
            self._synchronize()
            if logins != self.logins or self.held is None:
                return self.held
            # A process that was stopped between the response and this line must not undo later refreshes of others.
            if self.held.tokens.is_newer_than(tokens):
                return self.held
            try:
                self._save(tokens)
            except (StoreError, OSError) as error:
                _log.warning("tokens_not_stored: %s", error)
            self.held = HeldTokens(tokens, self._clock())
            return self.held

    def log_in(self, tokens: Tokens) -> None:
        """Store the tokens of a new session. Raises StoreError or OSError; nothing is changed then."""
        with self._lock:
            self._save(tokens)
            self.logins += 1
            self.held = HeldTokens(tokens, self._clock())

    def log_out(self) -> Tokens | None:
        """Forget the tokens; return them. Raises StoreError or OSError; the process has forgotten them even then."""
        with self._lock:
            try:
                self._synchronize()
            finally:
                tokens = self.held.tokens if self.held else None
                self._forget()
            return tokens

    def refuse(self, refused: Tokens, logins: int) -> bool:
        """Forget `refused`, whose refresh token the server refused. Return False if they were gone or replaced."""
        with self._lock:
            self._synchronize()
            if logins != self.logins or self.held is None or self.held.tokens != refused:
                return False
            self._forget()
            return True

    def renew_lock(self) -> None:
        """Replace the lock in a forked process: a thread of the parent may have held it, and does not exist here."""
        self._lock = threading.Lock()

    def _save(self, tokens: Tokens) -> None:
        self._store.save(tokens)
        self._in_store = tokens

    def _forget(self) -> None:
        self.held = None
        self.logins += 1
        self._store.clear()
        self._in_store = None

    def _synchronize(self) -> None:
        try:
            stored = self._store.load()
        except (StoreError, OSError) as error:
            _log.warning("tokens_not_read: %s", error)
            return
        if stored == self._in_store:
            return
        self._in_store = stored
        if stored is None:  # another process logged out
            self.held = None
            self.logins += 1
        elif self.held is None or not self.held.tokens.is_newer_than(stored):
            if self.held is not None and self.held.tokens.user != stored.user:
                self.logins += 1
            self.held = HeldTokens(stored)
