"""An authenticator whose clock can be moved and whose auth service can be made to go away or change its keys."""

import asyncio
from dataclasses import dataclass, field

from contract.claims import DEFAULT_ACCESS_AUDIENCE, DEFAULT_ISSUER, AccessClaims
from contract.problems import Refused
from gateway.tokens.jwks import VerificationKeys
from gateway.tokens.revocations import Revocations
from gateway.tokens.verifier import TokenVerifier
from tests.clocks import MovableClock
from tests.gateway.access_tokens import SigningKey, jwks

JWKS_MAX_AGE = 60


@dataclass
class Publisher:
    """The far side of a JWKS fetch. `fetched` counts how often it was asked."""

    keys: list[SigningKey]
    is_down: bool = False
    fetched: int = 0

    async def __call__(self) -> bytes:
        self.fetched += 1
        await asyncio.sleep(0)
        if self.is_down:
            raise OSError("nobody there")
        return jwks(*self.keys)


@dataclass
class Bench:
    """An authenticator and everything that it depends on."""

    clock: MovableClock
    publisher: Publisher
    size: int = 100
    noted: list[AccessClaims] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.keys = VerificationKeys(self.publisher, self.clock, JWKS_MAX_AGE)
        self.revocations = Revocations(fail_closed=False)
        self.token_verifier = TokenVerifier(
            self.keys,
            self.revocations,
            self.noted.append,
            self.clock,
            issuer=DEFAULT_ISSUER,
            audience=DEFAULT_ACCESS_AUDIENCE,
            size=self.size,
            leeway=10.0,
        )

    async def load(self) -> None:
        """Fetches the keys, as the worker's job does."""
        await self.keys.refresh()

    async def authenticate(self, token: str) -> AccessClaims:
        """As a request is authenticated: from memory, or else by verifying."""
        principal = self.token_verifier.recall(token, self.clock()) or await self.token_verifier.verify(token)
        return principal.claims

    def answer(self, token: str) -> str:
        """ "ok", or the code of the refusal, for a request after the keys were fetched."""

        async def ask() -> str:
            if not self.keys.loaded:
                await self.load()
            return await self.outcome(token)

        return asyncio.run(ask())

    async def outcome(self, token: str) -> str:
        """ "ok", or the code of the refusal."""
        try:
            await self.authenticate(token)
        except Refused as refused:
            return refused.code
        return "ok"
