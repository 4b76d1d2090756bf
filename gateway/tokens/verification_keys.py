"""The public keys that verify access tokens: the auth service's JWKS, cached.

Failure policy: while the auth service is unreachable, the last valid JWKS stays in use. Without any JWKS, a request
with a well-formed access token gets 503 and not 401, because the token may be valid.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import jwt
import structlog

from chassis.clock import Clock
from gateway.single_flight import SingleFlight
from gateway.tokens.jwks import read_jwks

Fetch = Callable[[], Awaitable[bytes]]
"""A function that returns the JWKS document. Raises OSError if it cannot be fetched."""

UNKNOWN_KID_PAUSE_SECONDS = 60
"""Minimum time between two fetches that an unknown `kid` causes."""

START_SECONDS = 10
"""Time after the start during which services may still be starting, in any order.

Until the first JWKS, a failed fetch is then repeated soon, and logged as info and only if its error is a new one.
"""

_MIN_RETRY_SECONDS, _MAX_RETRY_SECONDS = 0.05, 1.0
_log = structlog.get_logger("verification_keys")


class VerificationKeys:
    """The keys of the current JWKS by `kid`. The JWKS is fetched again every `max_age` seconds."""

    def __init__(self, fetch: Fetch, monotonic: Clock, max_age: float) -> None:
        self._fetch = fetch
        self._monotonic = monotonic
        self._max_age = max_age
        self._created_at = monotonic()
        self._document = b""
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._refreshes = SingleFlight[str, bool]()
        self._unknown_kid_fetched_at = float("-inf")
        self._logged_error = ""
        self.version = 0
        """The number of times that the JWKS changed. A token verified under an older version is verified again."""

    @property
    def loaded(self) -> bool:
        """Return whether a JWKS was fetched at least once."""
        return bool(self._keys)

    @property
    def current(self) -> Mapping[str, jwt.PyJWK]:
        """The keys of the current JWKS by `kid`; empty if none was fetched yet."""
        return self._keys

    def check(self) -> None:
        """Raise LookupError if no JWKS was fetched yet (readiness check)."""
        if not self.loaded:
            raise LookupError("the JWKS has not been fetched yet")

    def get(self, kid: object) -> jwt.PyJWK | None:
        """Return the cached key `kid`, or None."""
        return self._keys.get(kid) if isinstance(kid, str) else None

    async def find(self, kid: object) -> jwt.PyJWK | None:
        """Return the key `kid`, or None.

        For an unknown `kid` the JWKS is fetched, at most once in UNKNOWN_KID_PAUSE_SECONDS. Right after a key
        rotation many requests have an unknown `kid`; all those that arrive during a fetch wait for its result.
        """
        known = self.get(kid)
        if known is not None or not self.loaded:
            return known
        if "jwks" not in self._refreshes:
            now = self._monotonic()
            if now - self._unknown_kid_fetched_at < UNKNOWN_KID_PAUSE_SECONDS:
                return None
            self._unknown_kid_fetched_at = now
        await self.refresh()
        return self.get(kid)

    async def refresh(self) -> bool:
        """Fetch the JWKS, once for all concurrent callers. Return whether the fetch succeeded."""
        return await self._refreshes.do("jwks", self._refresh)

    async def keep_fresh(self) -> None:
        """Fetch the JWKS at once, then every `max_age` seconds, and sooner after a failure, until cancelled."""
        while True:
            if await self.refresh():
                await asyncio.sleep(self._max_age)
            else:
                await asyncio.sleep(retry_seconds(self._monotonic() - self._created_at))

    def is_starting(self) -> bool:
        """Return whether there is no JWKS yet because the auth service may still be starting."""
        return not self.loaded and self._monotonic() - self._created_at < START_SECONDS

    async def _refresh(self) -> bool:
        try:
            document = await self._fetch()
            keys = read_jwks(document)
        except (OSError, ValueError) as error:
            self._log_failure(str(error) or type(error).__name__)
            return False
        if document != self._document:
            self.version += 1
        self._document, self._keys = document, keys
        return True

    def _log_failure(self, error: str) -> None:
        if not self.is_starting():
            _log.warning("jwks_fetch_failed", error=error)
        elif error != self._logged_error:
            _log.info("jwks_fetch_failed", error=error)
            self._logged_error = error


def retry_seconds(seconds_since_start: float) -> float:
    """Return the seconds until a failed fetch is repeated: a tenth of the time since the start, within limits.

    So a gateway is ready at most a tenth later than it could be, and fetches ever less often.
    """
    return min(_MAX_RETRY_SECONDS, max(_MIN_RETRY_SECONDS, seconds_since_start / 10))
