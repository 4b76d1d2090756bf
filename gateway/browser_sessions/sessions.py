"""Browser sessions: the browser has an opaque handle in a cookie, and the gateway has the access token.

The auth service stores the hash of the handle with the session. While the session is live, it exchanges the hash for
an access token. The token stays in this worker's memory and is renewed before it expires. Losing this memory or Redis
ends no session. While the auth service is unavailable, requests get 503, so that no browser looks logged out.
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
from contract.credentials import token_digest
from contract.internal_api import END_PATH, EXCHANGE_PATH, SESSION_ENDED, SESSIONS_PATH
from contract.jws import read_unverified
from contract.problems import Refused, jittered_retry_after
from gateway.bounded_cache import BoundedCache
from gateway.single_flight import SingleFlight
from gateway.suspendable import Suspendable, wait_for
from gateway.tokens.auth_client import AuthResponse, PeerRejected, Post, read_object

RENEW_AFTER = 0.8
"""Share of an access token's lifetime after which it is renewed. During the renewal, requests use the old token."""

LOGIN_REFUSAL_STATUSES = frozenset({400, 401, 429, 503})
"""Statuses of the auth service that are passed on to the client as the refusal of a log-in."""

ENDED_CACHE_SECONDS = 10
"""How long the handle of an ended session is refused from memory, without another exchange."""

RECENTLY_ENDED_SECONDS = 10
"""How long after its end a session counts as recently ended, so that its cookie is not cleared."""

_log = structlog.get_logger("browser_sessions")


@dataclass(frozen=True, slots=True)
class SessionGrant:
    """The access token and user of a session, as the auth service returns them for a handle.

    Expiry times are in seconds since the epoch. `expires_at` is the session's.
    """

    access: str
    access_expires_at: float
    expires_at: float
    user_json: str
    """The user as JSON, because a dict takes 600 bytes more and is tracked by the garbage collector."""
    access_digest: bytes
    """contract.credentials.token_digest of `access`."""

    @property
    def user(self) -> Any:
        """Return the user as a JSON object."""
        return json.loads(self.user_json)


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A new session: its handle, its grant, and the new value of the device cookie, or ""."""

    handle: str
    grant: SessionGrant
    device_token: str


@dataclass(frozen=True, slots=True)
class CachedGrant:
    """A grant in memory. `renew_at` is in seconds since the epoch."""

    grant: SessionGrant
    renew_at: float


@dataclass(frozen=True, slots=True)
class EndedSession:
    """The ended session of a handle. The handle is refused from memory before `until` (seconds since the epoch).

    `ended_recently` is true if, when this was stored, the session had ended less than RECENTLY_ENDED_SECONDS before,
    or this worker had a grant for it.
    """

    until: float
    ended_recently: bool


class BrowserSessions:
    """The session handles that this worker knows: at most `size` of live sessions, and `size` of ended ones."""

    def __init__(self, post: Post, clock: Clock, size: int) -> None:
        self._post = post
        self._clock = clock
        self._grants = BoundedCache[str, CachedGrant](size)
        self._ended = BoundedCache[str, EndedSession](size)
        self._exchanges = SingleFlight[str, SessionGrant]()

    async def log_in(
        self,
        email: str,
        password: str,
        *,
        device: str,
        address: str,
        replaces: str | None = None,
        device_token: str = "",
    ) -> OpenedSession:
        """Log in and return the new session. The session of the handle `replaces` ends.

        `device_token` is the value of the browser's device cookie.
        Raises LoginRefused with the auth service's refusal; Refused: 502 if the auth service rejects this gateway,
        503 if it is unavailable.
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
                "device_token": device_token,
                **({"replaces": _hash(replaces)} if replaces else {}),
            },
        )
        if status in LOGIN_REFUSAL_STATUSES:
            raise LoginRefused(status, body, retry_after)
        if status != 200:
            raise Refused("auth_unavailable", retry_after=jittered_retry_after(1))
        grant = _read_grant(body)
        self._store(handle, grant)
        if replaces:
            self._mark_ended(replaces, ended_recently=True)
        new_device_token = read_object(body).get("device_token")
        return OpenedSession(handle, grant, new_device_token if isinstance(new_device_token, str) else "")

    def find_grant(self, handle: str) -> SessionGrant | None:
        """Return the grant of `handle` if it is in memory and its access token has not expired, otherwise None.

        Starts its renewal when it is time.
        """
        now = self._clock()
        cached = self._grants.get(handle)
        if cached is None or now >= cached.grant.access_expires_at:
            return None
        if now >= cached.renew_at:
            self._start_exchange(handle)
        return cached.grant

    def get_grant(self, handle: str) -> Suspendable[SessionGrant]:
        """Return the grant of `handle`: from memory, without waiting, or by an exchange that all callers share.

        Raises Refused: 401 if the session has ended, 502 if the auth service rejects this gateway, 503 if it is
        unavailable.
        """
        grant = self.find_grant(handle)
        if grant is not None:
            return grant
        ended = self._ended.get(handle)
        if ended is not None and self._clock() < ended.until:
            raise Refused("session_ended")
        return (yield from wait_for(self._exchanges.do(handle, lambda: self._exchange(handle))))

    async def log_out(self, handle: str) -> None:
        """End the session of `handle`, if there is one. Raises Refused(502 or 503) if the auth service did not."""
        self._grants.pop(handle, None)
        status, *_ = await self._call(END_PATH, {"handle_hash": _hash(handle)})
        if status != 204:
            raise Refused("auth_unavailable", retry_after=jittered_retry_after(1))
        self._mark_ended(handle, ended_recently=True)

    def mark_ended(self, handle: str) -> None:
        """Refuse `handle` from memory, because its session has just ended."""
        self._mark_ended(handle, ended_recently=True)

    def may_clear_cookie(self, handle: str) -> bool:
        """Return whether a response may clear the session cookie that holds `handle`.

        It may not if the session ended recently: the browser could receive it after the response to a new log-in,
        and would lose the new handle.
        """
        ended = self._ended.get(handle)
        return ended is not None and not ended.ended_recently

    def start_lookup(self, handle: str) -> None:
        """Start an exchange of `handle` unless it is cached. Does not wait for the result.

        If its session ended recently, it is exchanged again after ENDED_CACHE_SECONDS: by then the end is no longer
        recent, and the next response may clear the cookie.
        """
        ended = self._ended.get(handle)
        is_known = ended is not None and (not ended.ended_recently or self._clock() < ended.until)
        if not (is_known or handle in self._grants):
            self._start_exchange(handle)

    def expire_access_token(self, handle: str) -> None:
        """Expire the cached access token of `handle`, so that the next request exchanges the handle."""
        cached = self._grants.get(handle)
        if cached is not None:
            self._grants[handle] = replace(cached, grant=replace(cached.grant, access_expires_at=0))

    def _start_exchange(self, handle: str) -> None:
        if handle not in self._exchanges:
            self._exchanges.start(handle, lambda: self._exchange(handle)).add_done_callback(_log_failure)

    async def _exchange(self, handle: str) -> SessionGrant:
        status, body, _ = await self._call(EXCHANGE_PATH, {"handle_hash": _hash(handle)})
        if status == 404 and (members := read_object(body)).get("code") == SESSION_ENDED:
            ended_recently = handle in self._grants or _is_recent(members.get("ended_seconds_ago"))
            self._mark_ended(handle, ended_recently=ended_recently)
            raise Refused("session_ended")
        if status != 200:
            raise Refused("auth_unavailable", retry_after=jittered_retry_after(1))
        grant = _read_grant(body)
        self._store(handle, grant)
        return grant

    async def _call(self, path: str, document: dict[str, str]) -> AuthResponse:
        try:
            return await self._post(path, json.dumps(document).encode())
        except PeerRejected as error:
            raise Refused("peer_rejected") from error
        except OSError as failure:
            raise Refused("auth_unavailable", retry_after=jittered_retry_after(1)) from failure

    def _store(self, handle: str, grant: SessionGrant) -> None:
        now = self._clock()
        self._grants[handle] = CachedGrant(grant, now + (grant.access_expires_at - now) * RENEW_AFTER)

    def _mark_ended(self, handle: str, *, ended_recently: bool) -> None:
        self._grants.pop(handle, None)
        self._ended[handle] = EndedSession(self._clock() + ENDED_CACHE_SECONDS, ended_recently)


class LoginRefused(Exception):
    """The auth service refused a log-in. `status`, `body` and `retry_after` are its response to the client."""

    def __init__(self, status: int, body: bytes, retry_after: int | None) -> None:
        super().__init__(f"log-in refused with {status}")
        self.status = status
        self.body = body
        self.retry_after = retry_after


def _hash(handle: str) -> str:
    return hashlib.sha256(handle.encode()).hexdigest()


def _read_grant(body: bytes) -> SessionGrant:
    members = read_object(body)
    access, expires_at, user = members.get("access"), members.get("expires_at"), members.get("user")
    if not isinstance(access, str) or not isinstance(expires_at, int | float) or not isinstance(user, dict):
        raise Refused(
            "auth_unavailable", "The auth service's answer was malformed.", retry_after=jittered_retry_after(1)
        )
    expiry = _expiry(access)
    digest = token_digest(access.encode("ascii"))  # _expiry has refused other characters
    return SessionGrant(access, expiry, float(expires_at), json.dumps(user), digest)


def _is_recent(ended_seconds_ago: object) -> bool:
    return isinstance(ended_seconds_ago, int | float) and ended_seconds_ago < RECENTLY_ENDED_SECONDS


def _expiry(access: str) -> float:
    # The signature is not verified here: the token comes from the auth service, and each request verifies it.
    try:
        return float(read_unverified(access)["exp"])
    except (InvalidToken, KeyError, TypeError, ValueError) as error:
        raise Refused(
            "auth_unavailable", "The auth service returned no access token.", retry_after=jittered_retry_after(1)
        ) from error


def _log_failure(task: asyncio.Task[SessionGrant]) -> None:
    # A warning only: no request waits for this exchange, and the next request starts another one.
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.warning("session_token_renewal_failed", error=str(error) or type(error).__name__)
