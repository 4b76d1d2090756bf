"""The memory that a worker needs for each token that it has verified. docs/decisions/0028 has the figures."""

import asyncio
import gc
import os
import tracemalloc
import uuid

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.pipeline.identity_headers import IdentityHeaders, cached_assertions
from gateway.routing.routes import Upstream
from gateway.tokens.auth_client import AuthResponse
from gateway.tokens.usage_reports import UsageReports
from tests.clocks import MovableClock
from tests.gateway.access_tokens import IDENTITY_SECRET, SigningKey, access_claims
from tests.gateway.tokens.verifier_harness import Publisher, VerifierHarness
from tests.watched import watched_signer

TOKENS = 6_000
NOTES = Upstream("notes", (), "notes", watched_signer(IDENTITY_SECRET), 1)


def sign_tokens(key: SigningKey, now: float) -> bytes:
    """Return TOKENS tokens, one a line, with claims as long as those of the auth service."""
    lines = []
    for number in range(TOKENS):
        subject, session, jti = str(uuid.uuid4()), os.urandom(16).hex(), os.urandom(16).hex()
        claims = access_claims(
            now + number // 100,  # issued during a minute, so that most times differ
            sub=subject,
            user_id=subject,
            sid=session,
            jti=jti,
            email=f"ada.lovelace.{number}@example.org",
            roles="user staff",
        )
        lines.append(key.sign(claims).encode())
    return b"\n".join(lines)


async def _accept(path: str, document: bytes) -> AuthResponse:
    return AuthResponse(204, b"", None)


async def _present_all(tokens: bytes, harness: VerifierHarness, identity_headers: IdentityHeaders) -> None:
    """Present every token once, get its assertion, and report its use."""
    for token in tokens.split(b"\n"):
        claims = await harness.authenticate(token.decode())
        identity_headers.lines(claims, NOTES, harness.clock())


def test_a_verified_token_takes_less_than_1000_bytes(clock: MovableClock) -> None:
    """With its claims, its assertion for a service, and its place in every dict."""
    key = SigningKey("k1", Ed25519PrivateKey.generate())  # signs five times as fast as RSA; no signature is stored
    harness = VerifierHarness(clock, Publisher([key]), size=TOKENS)
    usage_reports = UsageReports(_accept)
    harness.token_verifier._on_presented = usage_reports.add
    identity_headers = IdentityHeaders(cached_assertions(TOKENS))
    tokens = sign_tokens(key, clock())
    clock.move(TOKENS / 100)

    async def main() -> int:
        await harness.load()
        await harness.authenticate(tokens[: tokens.index(b"\n")].decode())  # fills what does not grow with the tokens
        gc.collect()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        await _present_all(tokens, harness, identity_headers)
        while len(usage_reports):
            await usage_reports.report_once()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return after - before

    used = asyncio.run(main())
    assert len(harness.token_verifier._presented) == TOKENS
    assert len(identity_headers) == cached_assertions(TOKENS)
    assert used / TOKENS < 1_000
