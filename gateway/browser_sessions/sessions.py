"""Owns the sessions that browsers hold by an opaque handle: the page never sees a token, the gateway keeps it.

The handle's hash stands in the session's row at the auth service, which gives an access token for it while the
session lives. That token is kept in this worker's memory and renewed ahead of its end, unseen by the page. Losing
this memory, or Redis, logs nobody out. An outage of the auth service is answered 503, and never as "logged out".
"""

import asyncio
import hashlib
import json
import secrets
from dataclasses import dataclass, replace
from typing import Any

import structlog

from chassis.clock import Clock
from contract.claims import InvalidToken
from contract.internal import END_PATH, EXCHANGE_PATH, SESSION_ENDED, SESSIONS_PATH
from contract.jws import read_unverified
from contract.problems import Refused, spread
from gateway.bounded_cache import BoundedCache
from gateway.single_flight import SingleFlight
from gateway.tokens.auth_client import AuthAnswer, PeerRejected
from gateway.tokens.refresh import Post, read_object

RENEW_AFTER = 0.8
"""The part of an access token's life after which it is renewed, while requests go on with the old one."""

LOGIN_REFUSALS = frozenset({400, 401, 429, 503})
"""The auth service's answers to a log-in that are meant for the client."""

ENDED_FOR = 10
"""Seconds for which a handle that the auth service did not know is refused without asking again."""

_log = structlog.get_logger("browser_sessions")


@dataclass(frozen=True, slots=True)
class Granted:
    """What the auth service gives for a handle: an access token until `access_expires_at`, a session until
    `expires_at`, both in seconds since the epoch."""

    access: str
    access_expires_at: float
    expires_at: float
    user: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Held:
    """A grant in memory. `renew_at` is in seconds since the epoch."""

    granted: Granted
    renew_at: float


@dataclass(frozen=True, slots=True)
class Ended:
    """A handle that the auth service did not know, which is believed `until` (seconds since the epoch); `lately`
    where it was good at this worker just before, or where its session ended in the last ENDED_FOR seconds."""

    until: float
    lately: bool


class BrowserSessions:
    """The handles of one worker and their access tokens, at most `size`."""

    def __init__(self, post: Post, clock: Clock, size: int) -> None:
        self._post = post
        self._clock = clock
        self._held = BoundedCache[str, Held](size)
        self._ended = BoundedCache[str, Ended](size)
        self._exchanges = SingleFlight[str, Granted]()

    async def log_in(
        self, email: str, password: str, *, device: str, address: str, replaces: str | None = None
    ) -> tuple[str, Granted]:
        """A new session's handle, and what it is good for; the session of the handle `replaces` ends with that.

        Raises LoginRefused with the auth service's own answer, or Refused(503) where there is none.
        """
        handle = secrets.token_urlsafe(32)
        status, body, retry_after = await self._call(
            SESSIONS_PATH,
            {
                "email": email,
                "password": password,
                "handle_hash": _hash(handle),
                "device": device,
                "address": address,
                **({"replaces": _hash(replaces)} if replaces else {}),
            },
        )
        if status in LOGIN_REFUSALS:
            raise LoginRefused(status, body, retry_after)
        if status != 200:
            raise Refused("auth_unavailable", retry_after=spread(1))
        granted = _read_granted(body)
        self._hold(handle, granted)
        if replaces:
            self._end(replaces, lately=True)
        return handle, granted

    async def granted(self, handle: str) -> Granted:
        """What `handle` is good for: from memory, or exchanged, once for all who wait.

        Raises Refused: 401 where its session has ended, 503 where the auth service could not say.
        """
        now = self._clock()
        held = self._held.get(handle)
        if held is not None and now < held.granted.access_expires_at:
            if now >= held.renew_at and handle not in self._exchanges:
                self._start_exchange(handle)
            return held.granted
        ended = self._ended.get(handle)
        if ended is not None and now < ended.until:
            raise Refused("session_ended")
        return await self._exchanges.do(handle, lambda: self._exchange(handle))

    async def log_out(self, handle: str) -> None:
        """Ends the session of `handle`, if it has one. Raises Refused(503) where that could not be recorded."""
        self._held.pop(handle, None)
        status, *_ = await self._call(END_PATH, {"handle_hash": _hash(handle)})
        if status != 204:
            raise Refused("auth_unavailable", retry_after=spread(1))
        self._end(handle, lately=True)

    def has_long_ended(self, handle: str) -> bool:
        """Whether `handle` is known to prove nothing, and no log-in can have replaced it a moment ago.

        An answer that clears the cookie may cross the answer to a log-in on its way to the browser, and would clear
        the new handle. So a handle is not cleared for ENDED_FOR seconds after its session ended at this worker or at
        another one.
        """
        ended = self._ended.get(handle)
        return ended is not None and not ended.lately

    def look_up(self, handle: str) -> None:
        """Has the auth service asked about `handle` where nothing is known of it, without waiting for the answer."""
        ended = self._ended.get(handle)
        is_known = ended is not None and (not ended.lately or self._clock() < ended.until)
        if not (is_known or handle in self._held or handle in self._exchanges):
            self._start_exchange(handle)

    def drop(self, handle: str) -> None:
        """Lets go of the token that is held for `handle`: it was revoked."""
        held = self._held.get(handle)
        if held is not None:
            self._held[handle] = replace(held, granted=replace(held.granted, access_expires_at=0))

    def _start_exchange(self, handle: str) -> None:
        self._exchanges.start(handle, lambda: self._exchange(handle)).add_done_callback(_forget_failure)

    async def _exchange(self, handle: str) -> Granted:
        status, body, _ = await self._call(EXCHANGE_PATH, {"handle_hash": _hash(handle)})
        if status == 404 and (said := read_object(body)).get("code") == SESSION_ENDED:
            self._end(handle, lately=handle in self._held or _is_recent(said.get("ended_seconds_ago")))
            raise Refused("session_ended")
        if status != 200:
            raise Refused("auth_unavailable", retry_after=spread(1))
        granted = _read_granted(body)
        self._hold(handle, granted)
        return granted

    async def _call(self, path: str, document: dict[str, str]) -> AuthAnswer:
        try:
            return await self._post(path, json.dumps(document).encode())
        except PeerRejected as error:
            raise Refused("peer_rejected") from error
        except OSError as error:
            raise Refused("auth_unavailable", retry_after=spread(1)) from error

    def _hold(self, handle: str, granted: Granted) -> None:
        now = self._clock()
        renew_at = now + (granted.access_expires_at - now) * RENEW_AFTER
        self._held[handle] = Held(granted, renew_at)

    def _end(self, handle: str, *, lately: bool) -> None:
        self._held.pop(handle, None)
        self._ended[handle] = Ended(self._clock() + ENDED_FOR, lately)


class LoginRefused(Exception):
    """The auth service refused a log-in; `status`, `body` and `retry_after` are its answer, meant for the client."""

    def __init__(self, status: int, body: bytes, retry_after: int | None) -> None:
        super().__init__(f"log-in refused with {status}")
        self.status = status
        self.body = body
        self.retry_after = retry_after


def _hash(handle: str) -> str:
    return hashlib.sha256(handle.encode()).hexdigest()


def _read_granted(body: bytes) -> Granted:
    members = read_object(body)
    access, expires_at, user = members.get("access"), members.get("expires_at"), members.get("user")
    if not isinstance(access, str) or not isinstance(expires_at, int | float) or not isinstance(user, dict):
        raise Refused("auth_unavailable", "The auth service's answer was malformed.", retry_after=spread(1))
    return Granted(access, _expiry(access), float(expires_at), user)


def _is_recent(seconds_ago: object) -> bool:
    return isinstance(seconds_ago, int | float) and seconds_ago < ENDED_FOR


def _expiry(access: str) -> float:
    # Read without verifying: the token comes from the auth service itself, and is verified wherever it is used.
    try:
        return float(read_unverified(access)["exp"])
    except (InvalidToken, KeyError, TypeError, ValueError) as error:
        raise Refused("auth_unavailable", "The auth service gave no access token.", retry_after=spread(1)) from error


def _forget_failure(task: asyncio.Task[Granted]) -> None:
    # A renewal ahead of time may fail: the token in hand is still good, and the next request tries again.
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.warning("session_token_renewal_failed", reason=str(error) or type(error).__name__)
