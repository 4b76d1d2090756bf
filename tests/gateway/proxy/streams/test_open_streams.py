"""When open streams are ended and their tokens renewed, by a clock that the tests move."""

import asyncio
from dataclasses import dataclass, field

import pytest

from contract.claims import AccessClaims
from contract.problems import Refused
from contract.revocation import SESSION, SUBJECT, Kind, Revocation
from gateway.proxy.open_streams import OpenStream, OpenStreams
from gateway.routing.routes import Address, Route, Timeouts, Upstream
from gateway.tokens.principal import Principal
from gateway.tokens.revocations import MAX_FEED_AGE_SECONDS, Revocations
from tests.clocks import MovableClock
from tests.gateway.access_tokens import read_claims

UPSTREAM = Upstream("notes", (Address("h"),), "notes", None, 1)


def route(*roles: str) -> Route:
    return Route("/", UPSTREAM, False, frozenset(roles), frozenset({"GET"}), 0, Timeouts())


@dataclass
class Bench:
    """Open streams with their dependencies. `renewed` is the result of the next renewal of a token.

    `ended` has the codes with which streams ended since the last `advance`, `renewals` the handles of the renewals.
    """

    clock: MovableClock = field(default_factory=MovableClock)
    renewed: AccessClaims | Refused = field(default_factory=lambda: Refused("auth_unavailable"))
    fail_closed: bool = False
    limit: int = 3
    ended: list[str] = field(default_factory=list)
    renewals: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.revocations = Revocations(fail_closed=self.fail_closed)
        self.streams = OpenStreams(self._confirm, self._renew, self.clock, self.limit)

    def open(self, handle: str = "", *roles: str) -> OpenStream:
        """Open a stream on a route that needs `roles`. `handle` is that of the client's session cookie, if any."""
        return self.streams.open(route(*roles), Principal(read_claims(), "token", handle=handle), self.ended.append)

    def advance(self, seconds: float) -> list[str]:
        """Move the clock by `seconds`, check all streams, and return the codes with which streams ended."""

        async def check() -> None:
            self.streams.check()
            await asyncio.sleep(0)  # a renewal runs

        self.clock.move(seconds)
        asyncio.run(check())
        ended, self.ended[:] = list(self.ended), []
        return ended

    def _confirm(self, claims: AccessClaims) -> None:
        """Refuse expired and revoked tokens as the token verifier does, with a leeway of ten seconds."""
        if claims.is_expired(self.clock(), 10):
            raise Refused("token_expired")
        self.revocations.check(claims, self.clock())

    async def _renew(self, handle: str) -> AccessClaims:
        self.renewals.append(handle)
        if isinstance(self.renewed, Refused):
            raise self.renewed
        return self.renewed


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_stream_ends_with_its_token_and_not_before(bench: Bench) -> None:
    bench.open()
    assert bench.advance(309) == []
    assert bench.advance(1) == ["token_expired"]


@pytest.mark.parametrize(("kind", "value"), [(SESSION, "ada-session"), (SUBJECT, "ada-id")])
def test_a_stream_ends_when_its_session_or_subject_is_revoked(bench: Bench, kind: Kind, value: str) -> None:
    bench.open()
    bench.revocations.add(Revocation(kind, "another", 1_800_000_000, 1_800_000_300))
    assert bench.advance(0) == []
    bench.revocations.add(Revocation(kind, value, 1_800_000_000, 1_800_000_300))
    assert bench.advance(0) == ["token_revoked"]


def test_with_fail_closed_a_stream_ends_when_revocations_are_unavailable() -> None:
    """REVOCATION_FAIL=closed."""
    bench = Bench(fail_closed=True)
    bench.revocations.mark_current(bench.clock())
    bench.open()
    assert bench.advance(MAX_FEED_AGE_SECONDS) == []
    assert bench.advance(0.1) == ["revocations_unavailable"]


def test_a_stream_on_a_public_route_never_expires(bench: Bench) -> None:
    bench.streams.open(route(), None, bench.ended.append)
    assert bench.advance(100_000) == []


def test_with_a_session_cookie_the_token_of_a_stream_is_renewed_before_it_expires(bench: Bench) -> None:
    bench.open("handle")
    bench.renewed = read_claims(issued_at=1_800_000_240, expires_at=1_800_000_540)
    assert bench.advance(239) == []
    assert bench.renewals == []
    assert bench.advance(1) == []
    assert bench.advance(200) == []
    assert bench.renewals == ["handle"]
    bench.renewed = Refused("auth_unavailable")
    assert bench.advance(109) == []
    assert bench.advance(1) == ["token_expired"]


def test_a_failed_renewal_is_tried_again_at_the_next_check(bench: Bench) -> None:
    bench.open("handle")
    assert bench.advance(250) == []
    assert bench.advance(10) == []
    assert len(bench.renewals) == 2
    bench.renewed = read_claims(issued_at=1_800_000_260, expires_at=1_800_000_560)
    assert bench.advance(10) == []
    assert bench.advance(100) == []


def test_a_stream_that_was_opened_with_a_session_cookie_ends_with_the_session(bench: Bench) -> None:
    bench.open("handle")
    bench.renewed = Refused("session_ended")
    assert bench.advance(250) == ["session_ended"]


def test_a_stream_ends_when_the_renewed_token_lacks_the_role_of_the_route(bench: Bench) -> None:
    bench.open("handle", "staff")
    bench.renewed = read_claims(issued_at=1_800_000_250, expires_at=1_800_000_550, roles=("user",))
    assert bench.advance(250) == ["insufficient_scope"]


def test_more_streams_than_the_limit_are_refused_until_one_is_closed(bench: Bench) -> None:
    first, *_ = [bench.open() for _ in range(bench.limit)]
    with pytest.raises(Refused) as refused:
        bench.open()
    assert (refused.value.code, refused.value.status) == ("streams_exhausted", 503)
    assert refused.value.retry_after is not None
    bench.streams.close(first)
    bench.open()
    assert len(bench.streams) == bench.limit


def test_end_is_called_once_for_an_open_stream_and_never_for_a_closed_one(bench: Bench) -> None:
    closed, ended = bench.open(), bench.open()
    bench.streams.close(closed)
    bench.streams.end_all()
    bench.streams.end_all()
    assert bench.ended == ["draining"]
    assert (closed.end_code, ended.end_code) == ("", "draining")
