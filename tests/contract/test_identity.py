"""The package for services accepts what the gateway signs, and is as strict as contract.jws."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import example, given
from hypothesis import strategies as st

from contract.claims import IDENTITY_TYP, InvalidToken, check_registered_claims, text_claim
from contract.identity import ISSUER, MAX_AGE, VERSION, sign
from contract.jws import encoded_header, parse_jws, read_claims, sign_payload
from contract.keys import UnusableKey, assertion_signer, check_secret
from sallyport_service import Identity
from sallyport_service.assertion import InvalidAssertion, verify
from sallyport_service.keys import verification_key
from tests.contract.recorded import recorded
from tests.docs.code_blocks import ROOT

NOW = 1_800_000_000
SECRET = "pR7vXq2LmZ9tBw4KcYd8NsHf3GjTe6UaQx1WoIy5"
ADA = Identity("ada-id", "ada-session", "ada@example.org", ("user", "staff"))

VECTORS = recorded("identity_assertions")
RECORDED = [*VECTORS["valid"], *VECTORS["invalid"]]
COPY = ROOT / "packages" / "sallyport-service" / "tests" / "identity_assertions.json"


def read(assertion: str) -> Identity:
    """Return the identity that the package reads."""
    return verify(assertion, key=verification_key(SECRET), audience="notes", now=NOW)


def read_strictly(assertion: str, key: Any) -> Identity:
    """Return the identity that the strict parser of access tokens reads. Raises InvalidToken."""
    algorithm = "HS256" if isinstance(key, bytes) else "EdDSA"
    claims = read_claims(parse_jws(assertion), typ=IDENTITY_TYP, algorithm=algorithm, key=key)
    check_registered_claims(claims, issuer=ISSUER, audiences={"notes"}, now=NOW)
    if claims.get("ver") != VERSION or claims["iat"] + MAX_AGE <= NOW:
        raise InvalidToken("Another version, or too old")
    sub, sid, email = (text_claim(claims, name) for name in ("sub", "sid", "email"))
    roles = tuple(text_claim(claims, "roles", may_be_empty=True).split())
    return Identity(sub, sid, email, roles, claims.get("claims", {}))


def outcome(read_it: Callable[[], Identity]) -> Identity | None:
    try:
        return read_it()
    except (InvalidToken, InvalidAssertion):
        return None


def test_a_signed_identity_is_read_unchanged() -> None:
    assert read(sign(ADA, signer=assertion_signer(SECRET), audience="notes", now=NOW)) == ADA


@pytest.mark.parametrize("lifetime", [0, -1, MAX_AGE + 1])
def test_a_lifetime_outside_1_to_60_seconds_is_refused(lifetime: int) -> None:
    with pytest.raises(ValueError, match="lifetime"):
        sign(ADA, signer=assertion_signer(SECRET), audience="notes", now=NOW, lifetime=lifetime)


@pytest.mark.parametrize("vector", RECORDED, ids=lambda vector: vector["name"])
def test_the_package_and_the_strict_parser_read_recorded_assertions_alike(vector: dict[str, Any]) -> None:
    pem = VECTORS["keys"][vector["algorithm"]]
    key = pem.encode() if vector["algorithm"] == "HS256" else load_pem_public_key(pem.encode())
    assertion = vector["assertion"]
    by_package = outcome(lambda: verify(assertion, key=verification_key(pem), audience="notes", now=VECTORS["now"]))
    assert by_package == outcome(lambda: read_strictly(assertion, key))
    assert (by_package is not None) == ("identity" in vector)


@given(st.integers(0, 400), st.integers(0, 3), st.text(max_size=3))
@example(0, 1, "")
@example(400, 0, "=")
def test_the_package_and_the_strict_parser_read_altered_assertions_alike(
    position: int, removed: int, inserted: str
) -> None:
    assertion = sign(ADA, signer=assertion_signer(SECRET), audience="notes", now=NOW)
    altered = assertion[:position] + inserted + assertion[position + removed :]
    assert outcome(lambda: read(altered)) == outcome(lambda: read_strictly(altered, SECRET.encode()))


@given(st.dictionaries(st.sampled_from(["ver", "iss", "aud", "iat", "exp", "nbf", "sub", "sid", "email", "roles"]),
       st.none() | st.booleans() | st.integers(NOW - 70, NOW + 70) | st.floats() | st.text(max_size=3)
       | st.sampled_from([1, 1.0, "notes", ISSUER, ["notes"]]), max_size=2))  # fmt: skip
def test_the_package_and_the_strict_parser_read_altered_claims_alike(changed: dict[str, Any]) -> None:
    claims = {
        "ver": 1,
        "iss": ISSUER,
        "aud": "notes",
        "iat": NOW,
        "exp": NOW + 60,
        "sub": "ada-id",
        "sid": "ada-session",
        "email": "ada@example.org",
        "roles": "user",
        **changed,
    }
    assertion = signed_by_hand(json.dumps(claims))
    assert outcome(lambda: read(assertion)) == outcome(lambda: read_strictly(assertion, SECRET.encode()))


def signed_by_hand(payload: str) -> str:
    header = encoded_header(typ=IDENTITY_TYP, algorithm="HS256")
    return sign_payload(payload, header=header, sign=assertion_signer(SECRET).sign)


def test_the_package_has_a_copy_of_the_recorded_assertions() -> None:
    assert json.loads(COPY.read_text(encoding="utf-8")) == VECTORS


@pytest.mark.parametrize("key", [key for key in VECTORS["unusable_keys"] if "BEGIN" not in key])
def test_a_secret_that_the_package_refuses_is_refused_by_the_gateway(key: str) -> None:
    with pytest.raises(UnusableKey):
        check_secret(key)


@given(st.text(), st.text(), st.text(), st.lists(st.text()))
def test_a_verified_identity_has_no_control_characters(
    subject: str, session: str, email: str, roles: list[str]
) -> None:
    """Even if the gateway signed some."""
    identity = Identity(subject, session, email, tuple(roles))
    try:
        found = read(sign(identity, signer=assertion_signer(SECRET), audience="notes", now=NOW))
    except (InvalidAssertion, UnicodeEncodeError):
        return
    assert all(text.isprintable() for text in (found.subject, found.session, found.email, *found.roles))
