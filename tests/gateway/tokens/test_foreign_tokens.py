"""Access tokens of a Django project are exchanged at the auth service once, and then verified like others."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest

from contract.internal_api import FOREIGN_TOKEN_PATH
from contract.revocation import Revocation
from gateway.tokens import foreign_tokens
from gateway.tokens.auth_client import AuthResponse
from gateway.tokens.foreign_tokens import ForeignTokens
from tests.clocks import MovableClock
from tests.gateway.access_tokens import SigningKey, access_claims
from tests.gateway.tokens.verifier_harness import Publisher, VerifierHarness

UNTIL = 1_800_100_000.0
SECRET = "k" * 50
LIFETIME = 1_800


@dataclass
class Exchange:
    """The exchange at the auth service. `answer` returns its response for a token."""

    answer: Callable[[str], tuple[int, dict[str, Any]]]
    calls: list[str] = field(default_factory=list)
    running: int = 0
    most_running: int = 0
    is_down: bool = False

    async def __call__(self, path: str, document: bytes) -> AuthResponse:
        assert path == FOREIGN_TOKEN_PATH
        token = json.loads(document)["token"]
        self.calls.append(token)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await asyncio.sleep(0)
        self.running -= 1
        if self.is_down:
            raise OSError("unreachable")
        status, members = self.answer(token)
        return AuthResponse(status, json.dumps(members).encode(), None)


@pytest.fixture
def exchange(clock: MovableClock, signing_key: SigningKey) -> Exchange:
    """An exchange that accepts every token. The new one expires with the old one."""
    ours = access_claims(clock(), exp=int(clock()) + LIFETIME)
    return Exchange(lambda _: (200, {"access": signing_key.sign(ours)}))


@pytest.fixture
def harness(clock: MovableClock, signing_key: SigningKey, exchange: Exchange) -> VerifierHarness:
    foreign = ForeignTokens(exchange, clock, UNTIL)
    return VerifierHarness(clock, Publisher([signing_key]), foreign=foreign)


def foreign_token(clock: MovableClock, **changed: object) -> str:
    """Return an access token of the project. The gateway does not have its secret."""
    claims = {"token_type": "access", "exp": int(clock()) + LIFETIME, "jti": "a", "user_id": 1, **changed}
    return jwt.encode(claims, SECRET, algorithm="HS256")


def test_a_token_is_exchanged_once(harness: VerifierHarness, exchange: Exchange, clock: MovableClock) -> None:
    token = foreign_token(clock)

    async def main() -> None:
        await harness.load()
        for _ in range(3):
            claims = await harness.authenticate(token)
            assert (claims.subject, claims.session) == ("ada-id", "ada-session")

    asyncio.run(main())
    assert exchange.calls == [token]


def test_concurrent_requests_share_one_exchange(
    harness: VerifierHarness, exchange: Exchange, clock: MovableClock
) -> None:
    token = foreign_token(clock)

    async def main() -> None:
        await harness.load()
        assert await asyncio.gather(*(harness.outcome(token) for _ in range(50))) == ["ok"] * 50

    asyncio.run(main())
    assert exchange.calls == [token]


def test_the_token_expires_with_the_one_of_the_project(harness: VerifierHarness, clock: MovableClock) -> None:
    token = foreign_token(clock)
    assert harness.answer(token) == "ok"
    clock.move(LIFETIME - 1)
    assert harness.answer(token) == "ok"
    clock.move(LIFETIME)
    assert harness.answer(token) == "token_expired"


def test_the_end_of_its_session_refuses_the_token_at_once(harness: VerifierHarness, clock: MovableClock) -> None:
    token = foreign_token(clock)
    assert harness.answer(token) == "ok"
    now = int(clock())

    harness.revocations.add(Revocation("sid", "ada-session", now, now + LIFETIME))

    assert harness.answer(token) == "token_revoked"


@pytest.mark.parametrize(
    ("status", "members", "code"),
    [
        (401, {"code": "token_expired"}, "token_expired"),
        (401, {"code": "token_revoked"}, "token_revoked"),
        (401, {"code": "token_invalid"}, "token_invalid"),
        (401, {}, "token_invalid"),
        (200, {}, "auth_unavailable"),
        (200, {"access": 5}, "auth_unavailable"),
        (200, {"access": "nonsense"}, "auth_unavailable"),
        (404, {}, "auth_unavailable"),
        (500, {}, "auth_unavailable"),
        (503, {}, "auth_unavailable"),
    ],
)
def test_the_answers_of_the_auth_service(
    harness: VerifierHarness,
    exchange: Exchange,
    clock: MovableClock,
    status: int,
    members: dict[str, Any],
    code: str,
) -> None:
    exchange.answer = lambda _: (status, members)
    assert harness.answer(foreign_token(clock)) == code


def test_an_unreachable_auth_service_is_not_the_token_s_fault(
    harness: VerifierHarness, exchange: Exchange, clock: MovableClock
) -> None:
    exchange.is_down = True
    assert harness.answer(foreign_token(clock)) == "auth_unavailable"
    exchange.is_down = False
    assert harness.answer(foreign_token(clock)) == "ok"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"token_type": "refresh"}, "token_invalid"),
        ({"token_type": None}, "token_invalid"),
        ({"exp": 1_000}, "token_expired"),
    ],
)
def test_what_is_certainly_refused_needs_no_call(
    harness: VerifierHarness, exchange: Exchange, clock: MovableClock, changed: dict[str, object], code: str
) -> None:
    assert harness.answer(foreign_token(clock, **changed)) == code
    assert exchange.calls == []


def test_after_the_transition_nothing_is_exchanged(
    harness: VerifierHarness, exchange: Exchange, clock: MovableClock
) -> None:
    clock.now = UNTIL
    assert harness.answer(foreign_token(clock)) == "token_invalid"
    assert exchange.calls == []


def test_without_the_setting_nothing_is_exchanged(
    clock: MovableClock, signing_key: SigningKey, exchange: Exchange
) -> None:
    harness = VerifierHarness(clock, Publisher([signing_key]), foreign=ForeignTokens(exchange, clock, None))
    assert harness.answer(foreign_token(clock)) == "token_invalid"
    assert exchange.calls == []


def test_our_own_tokens_are_never_exchanged(
    harness: VerifierHarness, exchange: Exchange, signing_key: SigningKey, clock: MovableClock
) -> None:
    ours = access_claims(clock())
    assert harness.answer(signing_key.sign(ours)) == "ok"
    assert harness.answer(SigningKey(signing_key.kid).sign(ours)) == "token_invalid"
    assert harness.answer(signing_key.sign(ours, typ="JWT")) == "token_invalid"
    assert exchange.calls == []


def test_a_flood_of_forged_tokens_has_few_calls_in_progress(
    harness: VerifierHarness, exchange: Exchange, clock: MovableClock
) -> None:
    exchange.answer = lambda _: (401, {"code": "token_invalid"})
    tokens = [foreign_token(clock, jti=str(number)) for number in range(1_000)]

    async def main() -> list[str]:
        await harness.load()
        return list(await asyncio.gather(*map(harness.outcome, tokens)))

    outcomes = asyncio.run(main())

    assert exchange.most_running == foreign_tokens.MAX_CONCURRENT
    assert len(exchange.calls) == outcomes.count("token_invalid") == foreign_tokens.MAX_WAITING
    assert outcomes.count("auth_unavailable") == 1_000 - foreign_tokens.MAX_WAITING
