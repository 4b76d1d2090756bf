"""An assertion is accepted for one minute, by its audience, and only with the gateway's signature."""

import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from contract.claims import IDENTITY_TYP, InvalidToken
from contract.identity import MAX_AGE, Identity, sign, verify
from contract.jws import encoded_header, read_unverified, sign_payload
from contract.keys import assertion_signer, assertion_verifier
from tests.gateway.access_tokens import by_hand

NOW = 1_800_000_000
SECRET = "pR7vXq2LmZ9tBw4KcYd8NsHf3GjTe6UaQx1WoIy5"
ADA = Identity("ada-id", "ada-session", "ada@example.org", ("user", "staff"))


def read(assertion: str, now: float = NOW, audience: str = "notes") -> Identity:
    return verify(assertion, verifier=assertion_verifier(SECRET), audience=audience, now=now)


def assertion_with(header: dict[str, Any] | None = None, **changed: Any) -> str:
    """Return an assertion of Ada with some claims changed; None removes a claim."""
    claims = {
        "ver": 1,
        "iss": "sallyport-gateway",
        "aud": "notes",
        "iat": NOW,
        "exp": NOW + 60,
        "sub": "ada-id",
        "sid": "ada-session",
        "email": "ada@example.org",
        "roles": "user staff",
        **changed,
    }
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, SECRET, algorithm="HS256", headers=header or {"typ": IDENTITY_TYP})


def test_a_signed_identity_is_read_unchanged() -> None:
    assert (
        read(sign(ADA, signer=assertion_signer(SECRET), audience="notes", now=NOW)) == ADA == read(assertion_with())
    )


def test_an_assertion_signed_with_an_ed25519_key_is_verified_with_its_public_key_only() -> None:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assertion = sign(ADA, signer=assertion_signer(private), audience="notes", now=NOW)
    assert verify(assertion, verifier=assertion_verifier(public), audience="notes", now=NOW) == ADA
    with pytest.raises(InvalidToken):
        read(assertion)
    # RFC 8725 3.1: the public key is never used as a shared secret.
    confused = sign_payload(
        json.dumps(read_unverified(assertion)),
        header=encoded_header(typ=IDENTITY_TYP, algorithm="HS256"),
        sign=lambda data: hmac.digest(public.encode(), data, "sha256"),
    )
    with pytest.raises(InvalidToken):
        verify(confused, verifier=assertion_verifier(public), audience="notes", now=NOW)


@pytest.mark.parametrize(
    ("age", "is_accepted"), [(-60, False), (-11, False), (-10, True), (0, True), (59, True), (60, False)]
)
def test_an_assertion_is_accepted_for_sixty_seconds(age: int, is_accepted: bool) -> None:
    """The gateway's clock may also be up to ten seconds ahead."""
    assertion = assertion_with(exp=NOW + 10_000)  # only the age, from `iat`, ends it
    if is_accepted:
        assert read(assertion, NOW + age) == ADA
    else:
        with pytest.raises(InvalidToken):
            read(assertion, NOW + age)


@pytest.mark.parametrize("lifetime", [0, -1, MAX_AGE + 1])
def test_a_lifetime_outside_1_to_60_seconds_is_refused(lifetime: int) -> None:
    with pytest.raises(ValueError, match="lifetime"):
        sign(ADA, signer=assertion_signer(SECRET), audience="notes", now=NOW, lifetime=lifetime)


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "other"},
        {"aud": ["notes"]},
        {"aud": None},
        {"iss": "sallyport"},
        {"iss": None},
        {"ver": 2},
        {"ver": "1"},
        {"ver": None},
        {"exp": NOW - 11},
        {"exp": None},
        {"exp": "1800000060"},
        {"exp": True},
        {"exp": float("nan")},
        {"exp": 2**53},
        {"iat": None},
        {"nbf": NOW + 11},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "ada\r\nX-Evil: 1"},
        {"sub": "ada\0"},
        {"sid": None},
        {"sid": "\x1b[31m"},
        {"email": None},
        {"email": "ada@example.org\n"},
        {"email": "\u202eada"},
        {"roles": None},
        {"roles": ["staff"]},
        {"roles": "staff\tuser"},
    ],
    ids=repr,
)
def test_a_missing_malformed_or_wrong_claim_is_rejected(changed: dict[str, Any]) -> None:
    with pytest.raises(InvalidToken):
        read(assertion_with(**changed))


@pytest.mark.parametrize("typ", ["JWT", "at+jwt", "peer+jwt", "IDENTITY+JWT", ""])
def test_another_type_is_rejected(typ: str) -> None:
    with pytest.raises(InvalidToken):
        read(assertion_with({"typ": typ}))


@pytest.mark.parametrize("algorithm", ["none", "None", "HS384", "HS512", "EdDSA", "RS256", "", None, 5])
def test_another_algorithm_is_rejected(algorithm: object) -> None:
    payload = assertion_with().split(".")[1]
    for signature in ("", "eA", assertion_with().split(".")[2]):
        header = by_hand({"alg": algorithm, "typ": IDENTITY_TYP}, {}).split(".")[0]
        with pytest.raises(InvalidToken):
            read(f"{header}.{payload}.{signature}")


def test_another_secret_is_rejected() -> None:
    other = assertion_verifier(SECRET[::-1])
    with pytest.raises(InvalidToken):
        verify(assertion_with(), verifier=other, audience="notes", now=NOW)


@pytest.mark.parametrize("payload", [b"[]", b"null", b"1", b'"x"', b"{", b"\xff", b"[" * 3_000, b""])
def test_a_signed_payload_that_is_not_an_object_is_rejected(payload: bytes) -> None:
    assertion = jwt.api_jws.encode(payload, SECRET, algorithm="HS256", headers={"typ": IDENTITY_TYP})
    with pytest.raises(InvalidToken):
        read(assertion)


@given(st.text(), st.text(), st.text(), st.lists(st.text()))
def test_a_verified_identity_has_no_control_characters(
    subject: str, session: str, email: str, roles: list[str]
) -> None:
    """Even if the gateway signed some."""
    identity = Identity(subject, session, email, tuple(roles))
    try:
        assertion = sign(identity, signer=assertion_signer(SECRET), audience="notes", now=NOW)
        found = read(assertion)
    except (InvalidToken, UnicodeEncodeError):
        return
    assert all(text.isprintable() for text in (found.subject, found.session, found.email, *found.roles))
