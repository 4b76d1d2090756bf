"""Unknown kids fetch the JWKS at most once a minute, concurrent requests share a fetch, and a failed one keeps it."""

import asyncio
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from structlog.testing import capture_logs

from gateway.tokens.verification_keys import START_SECONDS, VerificationKeys, retry_seconds
from tests.clocks import MovableClock
from tests.gateway.access_tokens import SigningKey
from tests.gateway.tokens.verifier_harness import JWKS_MAX_AGE, Publisher

ED = SigningKey("ed", ed25519.Ed25519PrivateKey.generate())
EC = SigningKey("ec", ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
def publisher() -> Publisher:
    return Publisher([ED])


@pytest.fixture
def keys(publisher: Publisher, clock: MovableClock) -> VerificationKeys:
    return VerificationKeys(publisher, clock, JWKS_MAX_AGE)


def test_unknown_kids_fetch_the_jwks_at_most_once_a_minute(
    keys: VerificationKeys, publisher: Publisher, clock: MovableClock
) -> None:
    async def main() -> None:
        await keys.refresh()
        for number in range(100):
            assert await keys.find(f"unknown-{number}") is None
        assert publisher.fetched == 2
        clock.move(59)
        assert await keys.find("unknown") is None
        assert publisher.fetched == 2
        clock.move(1)
        assert await keys.find("unknown") is None
        assert publisher.fetched == 3

    asyncio.run(main())


def test_requests_that_arrive_during_a_fetch_wait_for_it(keys: VerificationKeys, publisher: Publisher) -> None:
    """Right after a key rotation no request is refused, and the JWKS is fetched once."""

    async def main() -> None:
        await keys.refresh()
        publisher.keys = [EC, ED]
        found = await asyncio.gather(*(keys.find("ec") for _ in range(50)))
        assert all(found)
        assert publisher.fetched == 2

    asyncio.run(main())


def test_an_unknown_kid_joins_the_periodic_fetch(keys: VerificationKeys, publisher: Publisher) -> None:
    """The fetch that an unknown kid may cause once a minute is not used then."""

    async def main() -> None:
        await keys.refresh()
        periodic = asyncio.create_task(keys.refresh())
        await asyncio.sleep(0)
        assert await keys.find("ec") is None
        assert await periodic
        assert publisher.fetched == 2
        publisher.keys = [EC]
        assert await keys.find("ec") is not None
        assert publisher.fetched == 3

    asyncio.run(main())


def test_a_request_that_is_cancelled_does_not_stop_the_fetch_for_the_others(
    keys: VerificationKeys, publisher: Publisher
) -> None:
    async def main() -> None:
        await keys.refresh()
        publisher.keys = [EC]
        first = asyncio.create_task(keys.find("ec"))
        second = asyncio.create_task(keys.find("ec"))
        await asyncio.sleep(0)
        first.cancel()
        assert await second is not None

    asyncio.run(main())


@pytest.mark.parametrize("broken", [b"", b"{}", b"[]", b'{"keys": 7}', b'{"keys": []}', b"<html>", b"\xff", None])
def test_the_last_good_jwks_stays_in_use(keys: VerificationKeys, publisher: Publisher, broken: bytes | None) -> None:
    async def main() -> None:
        assert await keys.refresh()
        version = keys.version
        publisher.is_down, publisher.document = broken is None, broken
        assert not await keys.refresh()
        assert keys.get("ed") is not None
        assert await keys.find("unknown") is None
        assert keys.version == version
        keys.check()

    asyncio.run(main())


def test_without_any_jwks_the_keys_are_not_ready(keys: VerificationKeys, publisher: Publisher) -> None:
    publisher.is_down = True

    async def main() -> None:
        assert not await keys.refresh()
        assert not keys.loaded
        assert await keys.find("ed") is None
        assert publisher.fetched == 1, "an unknown kid fetches nothing before there is a JWKS"

    asyncio.run(main())
    with pytest.raises(LookupError):
        keys.check()


def test_the_version_increases_only_when_the_jwks_changes(keys: VerificationKeys, publisher: Publisher) -> None:
    async def main() -> list[int]:
        found = []
        for published in ([ED], [ED], [ED, EC], [EC], [EC]):
            publisher.keys = published
            await keys.refresh()
            found.append(keys.version)
        return found

    assert asyncio.run(main()) == [1, 1, 2, 3, 3]


def test_a_failed_fetch_is_a_warning_only_after_the_start(publisher: Publisher, clock: MovableClock) -> None:
    """Services start in any order, so the auth service may still be starting."""
    keys = VerificationKeys(publisher, clock, JWKS_MAX_AGE)
    publisher.is_down = True
    with capture_logs() as logs:
        assert not asyncio.run(keys.refresh())
        assert not asyncio.run(keys.refresh())  # the same error is not logged again
        clock.move(START_SECONDS)
        assert not asyncio.run(keys.refresh())
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("jwks_fetch_failed", "info"),
        ("jwks_fetch_failed", "warning"),
    ]


def test_during_a_start_a_failed_fetch_is_repeated_soon(publisher: Publisher, clock: MovableClock) -> None:
    """The clock does not move, so the start never ends. Otherwise, the next fetch would be a second later."""
    keys = VerificationKeys(publisher, clock, JWKS_MAX_AGE)
    publisher.is_down = True

    async def main() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await keys.keep_fresh()

    asyncio.run(main())
    assert publisher.fetched > 1


@pytest.mark.parametrize("seconds", [0.1, 1.0, 3.0, 8.0])
def test_a_gateway_is_at_most_a_tenth_later_than_the_auth_service(seconds: float) -> None:
    """The auth service answers after `seconds`. An immediate fetch of the JWKS would be there at once."""
    assert _fetched_at(seconds)[-1] - seconds <= max(0.05, seconds / 10)


def test_a_gateway_that_waits_for_the_auth_service_fetches_ever_less_often() -> None:
    assert len(_fetched_at(START_SECONDS)) < 50
    assert len(_fetched_at(START_SECONDS + 60)) - len(_fetched_at(START_SECONDS)) == 60


def _fetched_at(answers_from: float) -> list[float]:
    """Return when the JWKS is fetched, in seconds after the start, by an auth service that answers from then on."""
    times = [0.0]
    while times[-1] < answers_from:
        times.append(times[-1] + retry_seconds(times[-1]))
    return times
