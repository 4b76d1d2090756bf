"""The JWKS: fetched seldom, shared, and kept while the auth service is away (R4, R9)."""

import asyncio
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from structlog.testing import capture_logs

from gateway.tokens.jwks import START_SECONDS, VerificationKeys, read_jwks
from tests.clocks import MovableClock
from tests.gateway.access_tokens import SigningKey, jwks
from tests.gateway.authenticating import JWKS_MAX_AGE, Publisher

ED = SigningKey("ed", ed25519.Ed25519PrivateKey.generate())
EC = SigningKey("ec", ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
def publisher() -> Publisher:
    return Publisher([ED])


@pytest.fixture
def keys(publisher: Publisher, clock: MovableClock) -> VerificationKeys:
    return VerificationKeys(publisher, clock, JWKS_MAX_AGE)


def test_an_unknown_kid_fetches_at_most_once_a_minute(
    keys: VerificationKeys, publisher: Publisher, clock: MovableClock
) -> None:
    """Whoever sends it, and however many of them."""

    async def ask() -> None:
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

    asyncio.run(ask())


def test_everybody_who_comes_during_a_fetch_waits_for_it(keys: VerificationKeys, publisher: Publisher) -> None:
    """Right after a rotation that is everybody: nobody is refused, and the set is fetched once."""

    async def ask() -> None:
        await keys.refresh()
        publisher.keys = [EC, ED]
        found = await asyncio.gather(*(keys.find("ec") for _ in range(50)))
        assert all(found)
        assert publisher.fetched == 2

    asyncio.run(ask())


def test_one_who_gives_up_waiting_does_not_stop_the_others(keys: VerificationKeys, publisher: Publisher) -> None:
    async def ask() -> None:
        await keys.refresh()
        publisher.keys = [EC]
        first = asyncio.create_task(keys.find("ec"))
        second = asyncio.create_task(keys.find("ec"))
        await asyncio.sleep(0)
        first.cancel()
        assert await second is not None

    asyncio.run(ask())


@pytest.mark.parametrize("broken", [b"", b"{}", b"[]", b'{"keys": 7}', b'{"keys": []}', b"<html>", b"\xff", None])
def test_the_last_good_set_serves_on(keys: VerificationKeys, publisher: Publisher, broken: bytes | None) -> None:
    async def answer() -> bytes:
        if broken is None:
            raise OSError("nobody there")
        return broken

    async def ask() -> None:
        assert await keys.refresh()
        version = keys.version
        keys._fetch = answer
        assert not await keys.refresh()
        assert keys.get("ed") is not None
        assert await keys.find("unknown") is None
        assert keys.version == version
        keys.check()

    asyncio.run(ask())


def test_nothing_is_ready_before_the_first_set(keys: VerificationKeys, publisher: Publisher) -> None:
    publisher.is_down = True

    async def ask() -> None:
        assert not await keys.refresh()
        assert not keys.loaded
        assert await keys.find("ed") is None
        assert publisher.fetched == 1, "an unknown kid fetches nothing before there is a set"

    asyncio.run(ask())
    with pytest.raises(LookupError):
        keys.check()


def test_the_version_grows_when_the_set_changes_and_only_then(keys: VerificationKeys, publisher: Publisher) -> None:
    async def versions() -> list[int]:
        found = []
        for published in ([ED], [ED], [ED, EC], [EC], [EC]):
            publisher.keys = published
            await keys.refresh()
            found.append(keys.version)
        return found

    assert asyncio.run(versions()) == [1, 1, 2, 3, 3]


def entry(**changed: Any) -> dict[str, Any]:
    return {name: value for name, value in (ED.jwk | changed).items() if value is not None}


PASSED_OVER: dict[str, object] = {
    "no kid": entry(kid=None),
    "kid is a number": entry(kid=7),
    "kid is a list": entry(kid=["ed"]),
    "no alg": entry(alg=None),
    "alg none": entry(alg="none"),
    "alg of a secret": entry(alg="HS256"),
    "alg that nobody signs with": entry(alg="RS512"),
    "alg is a list": entry(alg=["EdDSA"]),
    "alg of another kty": entry(alg="RS256"),
    "for encryption": entry(use="enc"),
    "private": entry(d="private"),
    "secret": entry(kty="oct", k="c2VjcmV0"),
    "no kty": entry(kty=None),
    "unknown crv": entry(crv="X448"),
    "no x": entry(x=None),
    "x is a number": entry(x=7),
    "x is no base64": entry(x="!"),
    "text": "no object",
    "null": None,
    "list": [],
}


@pytest.mark.parametrize("odd", PASSED_OVER.values(), ids=PASSED_OVER)
def test_an_entry_that_is_not_understood_is_passed_over(odd: object) -> None:
    """RFC 7517 5; and one that tells a private key, or is none that we sign with, is no key of ours."""
    good = EC.jwk
    assert list(read_jwks(json.dumps({"keys": [odd, good]}).encode())) == ["ec"]
    with pytest.raises(ValueError, match="no usable key"):
        read_jwks(json.dumps({"keys": [odd]}).encode())


def test_only_public_halves_are_kept(keys: VerificationKeys) -> None:
    """R3."""
    for key in read_jwks(jwks(ED, EC, SigningKey("rsa"))).values():
        assert not hasattr(key.key, "private_bytes")
        assert not hasattr(key.key, "sign")


def test_a_document_of_two_meanings_is_refused() -> None:
    with pytest.raises(ValueError, match="no JWKS"):
        read_jwks(b'{"keys": [], "keys": []}')


def test_an_auth_service_that_is_still_starting_is_no_reason_to_warn(
    publisher: Publisher, clock: MovableClock
) -> None:
    keys = VerificationKeys(publisher, clock, JWKS_MAX_AGE)
    publisher.is_down = True
    with capture_logs() as logs:
        assert not asyncio.run(keys.refresh())
        clock.move(START_SECONDS)
        assert not asyncio.run(keys.refresh())
    assert [line["log_level"] for line in logs] == ["info", "warning"]
