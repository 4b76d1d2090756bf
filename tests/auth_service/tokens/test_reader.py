"""The token reader: which tokens the service accepts, and which it refuses."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from auth_service.services import Services
from contract.claims import InvalidToken
from contract.identity import sign
from contract.keys import assertion_signer
from contract.peer_token import sign_peer, verify_peer
from sallyport_service import Identity
from sallyport_service.assertion import InvalidAssertion, verify
from sallyport_service.keys import verification_key
from tests.auth_service.conftest import MakeApp
from tests.auth_service.forge import Forge, claims_of, header_of
from tests.auth_service.world import REFRESH_SECRET, Person
from tests.clocks import MovableClock

KINDS = ("access", "refresh", "identity", "peer")


@pytest.fixture
def tokens(ann: Person, clock: MovableClock) -> dict[str, str]:
    """Return a valid token of each kind. The last three share a key: only type and audience distinguish them."""
    ann_identity = Identity(ann.id, "sid", ann.email)
    return {
        "access": ann.access,
        "refresh": ann.refresh,
        "identity": sign(ann_identity, signer=assertion_signer(REFRESH_SECRET), audience="notes", now=clock()),
        "peer": sign_peer(REFRESH_SECRET, now=clock()),
    }


@pytest.fixture
def readers(parts: Services, clock: MovableClock) -> dict[str, Callable[[str], object]]:
    identity_key = verification_key(REFRESH_SECRET)
    return {
        "access": parts.reader.read_access,
        "refresh": parts.reader.read_refresh,
        "identity": lambda token: verify(token, key=identity_key, audience="notes", now=clock()),
        "peer": lambda token: verify_peer(token, REFRESH_SECRET, now=clock()),
    }


@pytest.mark.parametrize("given", KINDS)
@pytest.mark.parametrize("expected", KINDS)
def test_every_reader_accepts_only_its_own_kind(
    given: str, expected: str, tokens: dict[str, str], readers: dict[str, Callable[[str], object]]
) -> None:
    """Each kind of token passes its own reader only."""
    if given == expected:
        readers[expected](tokens[given])
    else:
        with pytest.raises((InvalidToken, InvalidAssertion)):
            readers[expected](tokens[given])


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("iss", "somebody else"),
        ("aud", "another-api"),
        ("aud", ["sallyport-api"]),
        ("exp", "soon"),
        ("exp", True),
        ("iat", None),
        ("nbf", 2**40),
        ("sub", ""),
        ("sub", 7),
        ("sid", "a\nb"),
        ("generation", -1),
        ("generation", "0"),
        ("generation", True),
        ("token_type", "refresh"),
        ("jti", ""),
        ("roles", ["staff"]),
        ("email", None),
    ],
)
def test_a_signed_access_token_with_an_invalid_claim_is_refused(
    claim: str, value: Any, ann: Person, forge: Forge
) -> None:
    """The response is 401, never 422 or 500."""
    assert ann.me(forge.alter(ann.access, **{claim: value})).status_code == 401


@pytest.mark.parametrize("claim", ["exp", "iat", "iss", "aud", "sub", "jti", "sid", "token_type", "generation"])
def test_a_token_without_a_required_claim_is_refused(claim: str, ann: Person, forge: Forge) -> None:
    """For access and refresh tokens."""
    assert ann.me(forge.alter(ann.access, drop=[claim])).status_code == 401
    assert ann.refresh_with(forge.alter(ann.refresh, drop=[claim])).status_code == 401


def test_a_token_expires_without_leeway_by_the_clock_of_the_service(ann: Person, clock: MovableClock) -> None:
    """As in djoser. `iat` may be ten seconds in the future, from the clock of another machine."""
    clock.move(-10)
    assert ann.me().status_code == 200
    clock.move(309.9)
    assert ann.me().status_code == 200
    assert ann.verify(ann.access).status_code == 200
    clock.move(0.1)
    assert ann.verify(ann.access).status_code == 401
    answer = ann.me()
    assert answer.status_code == 401
    assert answer.json
    assert answer.json["messages"][0]["message"] == "Token is expired"


@pytest.mark.parametrize(
    "kid", ["unknown", "", "../../etc/passwd", "' OR 1=1 --", "a\0b", "k" * 65_536, 7, None, ["list"], {"a": 1}]
)
def test_a_token_with_an_unknown_or_malformed_kid_is_refused(kid: object, ann: Person, parts: Services) -> None:
    """The service only looks a `kid` up among its keys."""
    header = base64.urlsafe_b64encode(json.dumps(header_of(ann.access) | {"kid": kid}).encode()).decode().rstrip("=")
    assert ann.me(f"{header}.{ann.access.split('.', 1)[1]}").status_code == 401


@pytest.mark.parametrize("header", ["jku", "x5u", "jwk", "x5c"])
def test_a_key_in_the_header_of_a_token_is_not_used(header: str, ann: Person, forge: Forge) -> None:
    stranger = generate_private_key(65537, 2048)
    public = stranger.public_key().public_numbers()
    jwk = {"kty": "RSA", "n": str(public.n), "e": str(public.e)}
    headers = header_of(ann.access) | {header: jwk if header == "jwk" else "http://127.0.0.1:9/keys"}
    assert ann.me(forge.sign(claims_of(ann.access), headers, stranger, "RS256")).status_code == 401


def test_an_unknown_critical_header_is_refused(ann: Person, forge: Forge) -> None:
    assert ann.me(forge.alter(ann.access, header={"crit": ["exp"], "exp": 1})).status_code == 401


@pytest.mark.parametrize("algorithm", ["HS256", "HS512", "none"])
def test_a_key_is_used_only_with_its_own_algorithm(
    algorithm: str, ann: Person, forge: Forge, signing_pem: str
) -> None:
    assert ann.me(forge.with_algorithm(ann.access, algorithm)).status_code == 401
    assert ann.refresh_with(forge.with_algorithm(ann.refresh, "HS512")).status_code == 401


def test_the_public_key_is_not_accepted_as_a_shared_secret(ann: Person, signing_pem: str) -> None:
    """Algorithm confusion (RFC 8725 2.1). The test signs by hand, because libraries refuse to."""
    public = load_pem_private_key(signing_pem.encode(), None).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = header_of(ann.access) | {"alg": "HS256"}
    signed = ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in (header, claims_of(ann.access))
    )
    signature = base64.urlsafe_b64encode(hmac.new(pem, signed.encode(), hashlib.sha256).digest())
    assert ann.me(f"{signed}.{signature.decode().rstrip('=')}").status_code == 401


@pytest.mark.parametrize(
    "token",
    ["", "a", "a.b", "a.b.c", "a.b.c.d", "....", "é.b.c", "a." + "b" * 9000 + ".c", "eyJhbGciOiJub25lIn0.e30."],
)
def test_a_malformed_token_is_refused(token: str, ann: Person, parts: Services) -> None:
    assert ann.me(token.encode().decode("latin-1")).status_code == 401
    with pytest.raises(InvalidToken):
        parts.reader.read(token)


@pytest.mark.parametrize("payload", [b"[]", b"7", b"null", b"{", b"\xff", b"[" * 5000])
def test_a_signed_payload_that_is_not_an_object_is_refused(payload: bytes, ann: Person, signing_pem: str) -> None:
    key = load_pem_private_key(signing_pem.encode(), None)
    token = jwt.api_jws.encode(payload, key, algorithm="RS256", headers=header_of(ann.access))  # type: ignore[arg-type]  # an RSA key
    assert ann.me(token).status_code == 401


def test_a_previous_key_verifies_until_it_is_removed(ann: Person, make_app: MakeApp, signing_pem: str) -> None:
    key = generate_private_key(65537, 2048)
    new_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    during = Person(make_app(SIGNING_KEY=new_pem, PREVIOUS_SIGNING_KEY=signing_pem).test_client(), ann.email)
    assert during.me(ann.access).status_code == 200
    assert during.log_in().status_code == 200
    assert header_of(during.access)["kid"] != header_of(ann.access)["kid"]
    afterwards = Person(make_app(SIGNING_KEY=new_pem).test_client())
    assert afterwards.me(ann.access).status_code == 401
    assert afterwards.me(during.access).status_code == 200


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Bearer", "bad_authorization_header"),
        ("Bearer a b", "bad_authorization_header"),
        ("Bearer a, Bearer b", "bad_authorization_header"),
        ("Basic YTpi", None),
        ("", None),
    ],
)
def test_only_a_malformed_bearer_field_is_refused_with_invalid_token(
    header: str, code: str | None, ann: Person
) -> None:
    answer = ann.client.get("/auth/users/me/", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.json
    assert answer.json.get("code") == code
    assert ("invalid_token" in answer.headers["WWW-Authenticate"]) == (code is not None)


def test_a_token_in_the_query_or_in_a_cookie_is_ignored(ann: Person) -> None:
    ann.client.set_cookie("access_token_cookie", ann.access)
    answer = ann.client.get(f"/auth/users/me/?jwt={ann.access}&access_token={ann.access}")
    assert answer.status_code == 401
    assert answer.json == {"detail": "Authentication credentials were not provided."}


def test_a_signed_token_with_other_header_members_is_accepted(forge: Forge, ann: Person) -> None:
    claims = jwt.decode(ann.refresh, options={"verify_signature": False})
    token = forge.sign(claims, {"typ": "refresh+jwt", "made": "elsewhere"}, REFRESH_SECRET, "HS256")
    assert ann.refresh_with(token).status_code == 200
