"""Owns the public keys that verify access tokens: the auth service's JWKS, cached.

Policy: the last good set serves for as long as the auth service cannot be reached, so that its outage refuses
nobody. A set that was never loaded refuses everybody with 503, for that is our fault and not the token's. An
unknown kid fetches the set at most once a minute, whoever sends it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import jwt
import structlog

from chassis.clock import Clock
from chassis.json_body import MalformedBody, parse_json

Fetch = Callable[[], Awaitable[bytes]]
"""Gives the JWKS document. Raises OSError when it cannot be had."""

ALGORITHMS = frozenset({"RS256", "ES256", "EdDSA"})
UNKNOWN_KID_PAUSE = 60
"""Seconds between two fetches on account of an unknown kid."""

START_SECONDS = 10
"""Seconds after the start in which it is no reason to warn that the auth service has not answered yet."""

_RETRY_PAUSE = 1
_log = structlog.get_logger("keys")


class VerificationKeys:
    """The current JWKS, by kid."""

    def __init__(self, fetch: Fetch, clock: Clock, max_age: float) -> None:
        self._fetch = fetch
        self._clock = clock
        self._max_age = max_age
        self._created_at = clock()
        self._document = b""
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._asked_for_unknown_at = float("-inf")
        self._asking: asyncio.Task[bool] | None = None
        self._version = 0

    @property
    def loaded(self) -> bool:
        """Whether a good set was ever fetched."""
        return bool(self._keys)

    def check(self) -> None:
        """Returns once a set was fetched. Raises LookupError before."""
        if not self.loaded:
            raise LookupError("no signing keys yet")

    @property
    def version(self) -> int:
        """Grows whenever the set changes: what was verified under an older version is to be verified again."""
        return self._version

    def get(self, kid: object) -> jwt.PyJWK | None:
        """The key named `kid`, or None. A look-up in a dict: what `kid` holds causes nothing else."""
        return self._keys.get(kid) if isinstance(kid, str) else None

    async def find(self, kid: object) -> jwt.PyJWK | None:
        """As get; an unknown kid first has the set fetched again, at most once in UNKNOWN_KID_PAUSE seconds."""
        known = self.get(kid)
        if known is not None or not self.loaded:
            return known
        now = self._clock()
        if self._asking is None or self._asking.done():
            if now - self._asked_for_unknown_at < UNKNOWN_KID_PAUSE:
                return None
            self._asked_for_unknown_at = now
            self._asking = asyncio.create_task(self.refresh())
        # Who comes while the set is being fetched waits for it: right after a rotation that is everybody.
        await asyncio.shield(self._asking)
        return self.get(kid)

    async def refresh(self) -> bool:
        """Fetches the set once. Whether that worked; where it did not, the last good set stays."""
        try:
            document = await self._fetch()
            keys = read_jwks(document)
        except (OSError, ValueError) as error:
            # Services that start together are not ready in the order in which they need each other.
            is_starting = not self.loaded and self._clock() - self._created_at < START_SECONDS
            level = logging.INFO if is_starting else logging.WARNING
            _log.log(level, "signing keys were not fetched", reason=str(error) or type(error).__name__)
            return False
        if document != self._document:
            self._version += 1
        self._document, self._keys = document, keys
        return True

    async def keep_fresh(self) -> None:
        """Fetches at once, then whenever the set is older than max_age, until cancelled."""
        while True:
            fetched = await self.refresh()
            await asyncio.sleep(self._max_age if fetched else _RETRY_PAUSE)


def read_jwks(document: bytes) -> Mapping[str, jwt.PyJWK]:
    """The keys of a JWKS document by kid: public, for signatures, of an algorithm we know (RFC 7517 5).

    Raises ValueError for a document that is none or holds no such key.
    """
    try:
        jwks = parse_json(document)
    except MalformedBody as error:
        raise ValueError(f"no JWKS: {error.reason}") from error
    entries: Any = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(entries, list):
        raise ValueError("no JWKS: it has no list of keys")
    keys = {key.key_id: key for entry in entries if (key := _usable(entry)) and key.key_id}
    if not keys:
        raise ValueError("the JWKS holds no usable key")
    return keys


def _usable(entry: object) -> jwt.PyJWK | None:
    """The key in an entry; None for one that we do not understand, which RFC 7517 5 has us pass over."""
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str) or "d" in entry:
        return None
    if not isinstance(entry.get("alg"), str) or entry["alg"] not in ALGORITHMS or entry.get("use", "sig") != "sig":
        return None
    try:
        return jwt.PyJWK(entry)
    except jwt.PyJWTError:
        return None
