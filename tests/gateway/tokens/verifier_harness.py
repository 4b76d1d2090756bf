"""A token verifier with a movable clock, and a JWKS endpoint that tests can stop or give other keys."""

import asyncio
from dataclasses import dataclass, field

from contract.claims import DEFAULT_ACCESS_AUDIENCE, DEFAULT_ISSUER, AccessClaims
from contract.problems import Refused
from gateway.suspendable import run
from gateway.tokens.foreign_tokens import ForeignTokens
from gateway.tokens.revocations import Revocations
from gateway.tokens.verification_keys import VerificationKeys
from gateway.tokens.verifier import TokenVerifier
from tests.clocks import MovableClock
from tests.gateway.access_tokens import SigningKey, jwks

JWKS_MAX_AGE = 60


@dataclass
class Publisher:
    """The JWKS endpoint of the auth service. `document` replaces the JWKS of `keys`; `fetched` counts the fetches."""

    keys: list[SigningKey]
    is_down: bool = False
    document: bytes | None = None
    fetched: int = 0

    async def __call__(self) -> bytes:
        self.fetched += 1
        await asyncio.sleep(0)
        if self.is_down:
            raise OSError("unreachable")
        return jwks(*self.keys) if self.document is None else self.document


@dataclass
class VerifierHarness:
    """A token verifier and what it depends on."""

    clock: MovableClock
    publisher: Publisher
    size: int = 100
    """Maximum number of cached tokens."""
    foreign: ForeignTokens | None = None
    """Exchanges tokens of a Django project."""
    extra_claims: tuple[str, ...] = ()
    """Claims of the claims hook that services receive."""
    presented: list[AccessClaims] = field(default_factory=list)
    """The claims passed to `on_presented`."""

    def __post_init__(self) -> None:
        self.keys = VerificationKeys(self.publisher, self.clock, JWKS_MAX_AGE)
        self.revocations = Revocations(fail_closed=False)
        self.token_verifier = TokenVerifier(
            self.keys,
            self.revocations,
            self.presented.append,
            self.clock,
            issuer=DEFAULT_ISSUER,
            audience=DEFAULT_ACCESS_AUDIENCE,
            size=self.size,
            leeway=10.0,
            foreign=self.foreign,
            extra_claims=self.extra_claims,
        )

    async def load(self) -> None:
        """Fetch the keys, as the worker's background task does."""
        await self.keys.refresh()

    async def authenticate(self, token: str) -> AccessClaims:
        """Return the claims of `token` as the pipeline gets them: from the cache, or else by verification."""
        return (await run(self.token_verifier.verify(token))).claims

    def answer(self, token: str) -> str:
        """Fetch the keys if there are none, then return "ok" or the error code for `token`."""

        async def main() -> str:
            if not self.keys.loaded:
                await self.load()
            return await self.outcome(token)

        return asyncio.run(main())

    async def outcome(self, token: str) -> str:
        """Return "ok", or the error code of the refusal of `token`."""
        try:
            await self.authenticate(token)
        except Refused as refused:
            return refused.code
        return "ok"
