"""Recorded assertions are accepted or rejected, whatever the version of PyJWT."""

import json
from pathlib import Path
from typing import Any

import jwt
import pytest

from sallyport_service.assertion import InvalidAssertion, verify
from sallyport_service.keys import UnusableKey, verification_key
from sallyport_service.testing import IdentityMinter

VECTORS = json.loads(Path(__file__).with_name("identity_assertions.json").read_text(encoding="utf-8"))
KEYS = {algorithm: verification_key(key) for algorithm, key in VECTORS["keys"].items()}


def name(vector: dict[str, Any]) -> str:
    return str(vector["name"])


@pytest.mark.parametrize("vector", VECTORS["valid"], ids=name)
def test_a_valid_assertion_is_accepted(vector: dict[str, Any]) -> None:
    identity = verify(vector["assertion"], key=KEYS[vector["algorithm"]], audience="notes", now=VECTORS["now"])
    assert {
        "subject": identity.subject,
        "session": identity.session,
        "email": identity.email,
        "roles": list(identity.roles),
    } == vector["identity"]
    assert identity.claims == vector.get("claims", {})


def test_claims_that_are_no_object_are_rejected() -> None:
    minter = IdentityMinter(VECTORS["keys"]["HS256"], "notes", clock=lambda: VECTORS["now"])
    assertion = minter.assertion(claims={"tenant": "acme"})
    identity = verify(assertion, key=KEYS["HS256"], audience="notes", now=VECTORS["now"])
    assert identity.claims == {"tenant": "acme"}
    members = jwt.decode(assertion, options={"verify_signature": False})
    forged = jwt.encode({**members, "claims": ["acme"]}, VECTORS["keys"]["HS256"], headers={"typ": "identity+jwt"})
    with pytest.raises(InvalidAssertion, match="Token has no usable 'claims' claim"):
        verify(forged, key=KEYS["HS256"], audience="notes", now=VECTORS["now"])


@pytest.mark.parametrize("vector", VECTORS["invalid"], ids=name)
def test_an_invalid_assertion_is_rejected_with_the_recorded_reason(vector: dict[str, Any]) -> None:
    with pytest.raises(InvalidAssertion) as caught:
        verify(vector["assertion"], key=KEYS[vector["algorithm"]], audience="notes", now=VECTORS["now"])
    assert caught.value.reason == vector["reason"]


def test_a_rejection_does_not_depend_on_earlier_assertions() -> None:
    """Headers of assertions are cached."""
    for vector in (*VECTORS["invalid"], *VECTORS["valid"], *VECTORS["invalid"]):
        is_valid = "identity" in vector
        try:
            verify(vector["assertion"], key=KEYS[vector["algorithm"]], audience="notes", now=VECTORS["now"])
        except InvalidAssertion:
            assert not is_valid, vector["name"]
        else:
            assert is_valid, vector["name"]


@pytest.mark.parametrize("key", VECTORS["unusable_keys"])
def test_a_recorded_weak_secret_is_unusable(key: str) -> None:
    with pytest.raises(UnusableKey, match=r"^is "):
        verification_key(key)


def test_an_ssh_key_is_unusable() -> None:
    with pytest.raises(UnusableKey, match="is not a shared secret"):
        verification_key("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQC7 me@host")
