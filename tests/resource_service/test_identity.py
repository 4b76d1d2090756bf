"""Only a valid assertion of the gateway identifies a caller."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from flask import Flask
from flask.testing import FlaskClient

from chassis.settings import load
from contract.claims import ACCESS_TYP, IDENTITY_TYP, REFRESH_TYP
from contract.identity import ISSUER, VERSION, sign
from contract.keys import assertion_signer
from resource_service.app import create_app
from resource_service.settings import ResourceSettings
from sallyport_service import Identity
from tests.clocks import MovableClock
from tests.resource_service.callers import AUDIENCE, SECRET, Caller

NOW = 1_800_000_000
ANOTHER_SECRET = "nZ4x9QeR7tYuI1oPaS3dFgHjK5lMbV8c"
ADA = Identity("ada-id", "ada-session", "ada@example.org")


def make_assertion(
    claims: Mapping[str, Any] | None = None,
    *,
    key: Any = SECRET,
    algorithm: str = "HS256",
    typ: str | None = IDENTITY_TYP,
    without: str = "",
) -> str:
    """Return an assertion of Ada that is valid except for the given changes."""
    valid = {
        "ver": VERSION,
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": NOW,
        "exp": NOW + 60,
        "sub": "ada-id",
        "sid": "ada-session",
        "email": "ada@example.org",
        "roles": "",
    }
    changed = {name: value for name, value in {**valid, **(claims or {})}.items() if name != without}
    return jwt.encode(changed, key, algorithm=algorithm, headers={"typ": typ})


ATTACKS: Mapping[str, Callable[[], str]] = {
    "empty": lambda: "",
    "another service's audience": lambda: make_assertion({"aud": "reports"}),
    "an array as audience": lambda: make_assertion({"aud": [AUDIENCE]}),
    "the access tokens' audience": lambda: make_assertion({"aud": "sallyport-api"}),
    "another issuer": lambda: make_assertion({"iss": "sallyport"}),
    "60 seconds old": lambda: make_assertion({"iat": NOW - 60, "exp": NOW + 60}),
    "60 seconds old, valid for years": lambda: make_assertion({"iat": NOW - 60, "exp": NOW + 10**8}),
    "expired": lambda: make_assertion({"iat": NOW - 50, "exp": NOW - 10}),
    "from the future": lambda: make_assertion({"iat": NOW + 11, "exp": NOW + 71}),
    "not valid yet": lambda: make_assertion({"nbf": NOW + 11}),
    "times that are not numbers": lambda: make_assertion({"iat": True, "exp": True}),
    "a time that is too large": lambda: make_assertion({"exp": 2**60}),
    "another version": lambda: make_assertion({"ver": 2}),
    "no version": lambda: make_assertion(without="ver"),
    "no subject": lambda: make_assertion(without="sub"),
    "a blank subject": lambda: make_assertion({"sub": ""}),
    "a list as session": lambda: make_assertion({"sid": ["ada-session"]}),
    "a subject with a line break": lambda: make_assertion({"sub": "ada-id\nX-User-Id: root"}),
    "a NUL in the subject": lambda: make_assertion({"sub": "ada-id\0"}),
    "no session": lambda: make_assertion(without="sid"),
    "no e-mail": lambda: make_assertion(without="email"),
    "roles as a list": lambda: make_assertion({"roles": ["staff"]}),
    "no exp": lambda: make_assertion(without="exp"),
    "no iat": lambda: make_assertion(without="iat"),
    "another service's secret": lambda: make_assertion(key=ANOTHER_SECRET),
    "unsigned": lambda: make_assertion(key=None, algorithm="none"),
    "unsigned with a signature": lambda: make_assertion(key=None, algorithm="none") + "AAAA",
    "another HMAC": lambda: make_assertion(algorithm="HS512"),
    "signed with the attacker's own key": lambda: make_assertion(key=Ed25519PrivateKey.generate(), algorithm="EdDSA"),
    "an access token": lambda: make_assertion(typ=ACCESS_TYP),
    "a refresh token": lambda: make_assertion(typ=REFRESH_TYP),
    "a plain JWT": lambda: make_assertion(typ="JWT"),
    "no type": lambda: make_assertion(typ=None),
    "an empty signature": lambda: make_assertion().rpartition(".")[0] + ".",
    "a changed signature": lambda: (
        make_assertion()[:-4] + ("AAAA" if not make_assertion().endswith("AAAA") else "BBBB")
    ),
    "changed claims": lambda: ".".join(
        [
            make_assertion().split(".")[0],
            make_assertion({"sub": "bob-id"}).split(".")[1],
            make_assertion().split(".")[2],
        ]
    ),
    "two, joined by a comma": lambda: f"{make_assertion()},{make_assertion()}",
    "one and a comma": lambda: f"{make_assertion()},",
    "with a scheme": lambda: f"Bearer {make_assertion()}",
    "with a NUL": lambda: f"{make_assertion()}\0",
    "not base64url": lambda: f"{make_assertion()}=",
    "not ASCII": lambda: f"{make_assertion()}é",
    "dots": lambda: "..",
    "five parts": lambda: "a.b.c.d.e",
    "parts that are not JSON": lambda: "AAAA.AAAA.AAAA",
    "huge": lambda: make_assertion({"email": "a" * 8192}),
    "a megabyte": lambda: "a" * 2**20,
}
"""Values of X-Identity, each made when its test runs."""


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_invalid_assertion_is_refused(client: FlaskClient, attack: str) -> None:
    """401 with a challenge. The body does not contain the assertion."""
    assertion = ATTACKS[attack]()
    response = client.get("/api/whoami", headers={"X-Identity": assertion, "X-User-Id": "ada-id"})
    assert (response.status_code, response.content_type) == (401, "application/problem+json")
    assert response.get_json()["code"] == "identity_invalid"
    # Without an error code, because the client sent no wrong token.
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="api"'
    assert response.headers["X-Identity-Refused"]  # the reason, for the gateway
    assert not assertion or assertion not in response.text


def test_an_assertion_without_changes_is_accepted(client: FlaskClient) -> None:
    """Otherwise the refusals above would prove nothing."""
    assert client.get("/api/whoami", headers={"X-Identity": make_assertion()}).get_json()["sub"] == "ada-id"


def test_no_other_header_replaces_the_assertion(client: FlaskClient) -> None:
    """The 401 has a challenge without error code. RFC 6750 3.1."""
    headers = {
        "X-User-Id": "ada-id",
        "X-User-Email": "ada@example.org",
        "X-User-Roles": "staff",
        "X-Session-Id": "ada-session",
        "Authorization": f"Bearer {make_assertion()}",
        "Cookie": f"X-Identity={make_assertion()}",
    }
    response = client.get("/api/whoami", headers=headers)
    assert (response.status_code, response.get_json()["code"]) == (401, "identity_missing")
    assert response.headers["X-Identity-Refused"] == "No assertion"
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="api"'


def test_two_assertions_are_refused_even_if_both_are_valid(client: FlaskClient) -> None:
    response = client.get("/api/whoami", headers=[("X-Identity", make_assertion()), ("X-Identity", make_assertion())])
    assert (response.status_code, response.get_json()["code"]) == (401, "identity_invalid")


def test_unsigned_identity_headers_are_ignored(app: Flask, ada: Caller) -> None:
    """The identity comes from the verified claims only."""
    ada.extra_headers = {"X-User-Id": "root", "X-User-Roles": "staff", "X-User-Email": "x@y", "X-Session-Id": "z"}
    assert ada.get("/api/whoami").get_json() == {
        "sub": "ada-id",
        "sid": "ada-session",
        "email": "ada@example.org",
        "roles": [],
    }
    assert ada.get("/api/notes/?owner=*").status_code == 403


def test_an_assertion_is_valid_for_less_than_60_seconds(client: FlaskClient, ada: Caller) -> None:
    assertion = ada.assertion
    ada.clock.move(59)
    assert client.get("/api/whoami", headers={"X-Identity": assertion}).status_code == 200
    ada.clock.move(1)
    assert client.get("/api/whoami", headers={"X-Identity": assertion}).status_code == 401


def test_a_clock_10_seconds_behind_the_gateways_is_tolerated(client: FlaskClient, ada: Caller) -> None:
    assertion = ada.assertion
    ada.clock.move(-10)
    assert client.get("/api/whoami", headers={"X-Identity": assertion}).status_code == 200


def test_an_identity_is_not_reused_for_the_next_request(app: Flask, ada: Caller) -> None:
    """Even if both requests run in one application context, as in a shell."""
    with app.app_context():
        assert ada.get("/api/whoami").status_code == 200
        assert ada.client.get("/api/whoami").status_code == 401


def test_every_endpoint_except_health_and_openapi_needs_an_identity(app: Flask, client: FlaskClient) -> None:
    """If a new endpoint has no decorator, this test fails."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint in ("health.healthz", "health.readyz", "openapi.openapi"):
            continue
        path = rule.rule.replace("<uuid:note_id>", "00000000-0000-4000-8000-000000000000")
        for method in rule.methods or ():
            response = client.open(path, method=method, json={"title": "x"})
            assert response.status_code == 401, f"{method} {path}"


class TestWithAPublicKey:
    """The service has an Ed25519 public key, so it cannot sign assertions itself."""

    @pytest.fixture
    def key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.generate()

    @pytest.fixture
    def public_pem(self, key: Ed25519PrivateKey) -> str:
        return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @pytest.fixture
    def client(self, public_pem: str, clock: MovableClock) -> FlaskClient:
        settings = load(ResourceSettings, {"DATABASE_URL": "sqlite:////tmp/notes.db", "IDENTITY_SECRET": public_pem})
        return create_app(settings, clock=clock).test_client()

    def test_the_gateways_signature_is_accepted(self, client: FlaskClient, key: Ed25519PrivateKey) -> None:
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        assertion = sign(ADA, signer=assertion_signer(pem), audience=AUDIENCE, now=NOW)
        assert client.get("/api/whoami", headers={"X-Identity": assertion}).get_json()["sub"] == "ada-id"

    def test_a_public_key_does_not_verify_hs256(self, client: FlaskClient, public_pem: str) -> None:
        """RFC 8725 2.1: an HS256 signature made with the public key must be refused."""
        for secret in (public_pem, public_pem.strip()):
            assertion = _hs256_with(secret.encode())
            assert client.get("/api/whoami", headers={"X-Identity": assertion}).status_code == 401

    def test_another_keys_signature_is_refused(self, client: FlaskClient) -> None:
        assertion = make_assertion(key=Ed25519PrivateKey.generate(), algorithm="EdDSA")
        assert client.get("/api/whoami", headers={"X-Identity": assertion}).status_code == 401


def _hs256_with(key: bytes) -> str:
    """Return an assertion signed with HS256 and `key`."""
    # Without PyJWT, which refuses to use a PEM as an HMAC key.
    head = jwt.utils.base64url_encode(b'{"alg":"HS256","typ":"identity+jwt"}').decode()
    body = make_assertion().split(".")[1]
    digest = hmac.new(key, f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"
