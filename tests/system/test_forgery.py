"""Forged tokens and spoofed identity headers are refused or ignored."""

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from tests.system.support.raw_http import send_raw
from tests.system.support.running_stack import Account, RunningStack, Tokens

PATHS = ("/api/whoami", "/auth/users/me/")
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass(frozen=True, slots=True)
class Forge:
    """Make tokens that differ from a valid token in one thing, with the real signing key, which no attacker has."""

    key: rsa.RSAPrivateKey
    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    refresh: str
    identity_secret: str

    def token(
        self, header: Mapping[str, Any] | None = None, without: str = "", key: Any = None, **claims: Any
    ) -> str:
        """Return a valid token with the given changes."""
        changed = {name: value for name, value in {**self.claims, **claims}.items() if name != without}
        token_header = {**self.header, **(header or {})}
        return jwt.encode(changed, key or self.key, algorithm=token_header["alg"], headers=token_header)

    def hmac_with_public_key(self, encoding: Encoding, public_format: PublicFormat) -> str:
        """Return a token with an HMAC whose secret is the public key.

        A verifier that lets the token choose the algorithm would accept it (RFC 8725 section 2.1).
        """
        secret = self.key.public_key().public_bytes(encoding, public_format)
        signed = f"{_part({**self.header, 'alg': 'HS256'})}.{_part(self.claims)}"
        return f"{signed}.{_base64url(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _part(value: Mapping[str, Any]) -> str:
    return _base64url(json.dumps(value).encode())


@pytest.fixture(scope="module")
def tokens(stack: RunningStack, account: Account) -> Tokens:
    """One session for all tests of this module; they must not end it."""
    return stack.login(account)


@pytest.fixture(scope="module")
def forge(stack: RunningStack, tokens: Tokens) -> Forge:
    """A forge with the claims of a live session."""
    key = load_pem_private_key((stack.data_dir / "signing.pem").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return Forge(
        key=key,
        header=jwt.get_unverified_header(tokens.access),
        claims=jwt.decode(tokens.access, options={"verify_signature": False}),
        refresh=tokens.refresh,
        identity_secret=(stack.data_dir / "notes.secret").read_text().strip(),
    )


MakeToken = Callable[[Forge], str]


def _without(claim: str) -> MakeToken:
    return lambda forge: forge.token(without=claim)


# Refused as access tokens. The key of an entry describes how the token differs from a valid one. `f` is the forge.
FORGERIES: Mapping[str, MakeToken] = {
    "no token at all": lambda f: "nonsense",
    "two parts": lambda f: f.token().rpartition(".")[0],
    "four parts": lambda f: f.token() + ".more",
    "empty parts": lambda f: "..",
    "no base64": lambda f: "a$b.c$d.e$f",
    "header is no JSON": lambda f: f"{_base64url(b'nonsense')}.{_part(f.claims)}.{_base64url(b'x')}",
    "header is a list": lambda f: f"{_base64url(b'[]')}.{_part(f.claims)}.{_base64url(b'x')}",
    "claims are no JSON": lambda f: jwt.api_jws.encode(b"nonsense", f.key, "RS256", headers=dict(f.header)),
    "claims are a list": lambda f: jwt.api_jws.encode(b"[]", f.key, "RS256", headers=dict(f.header)),
    "signature with another key": lambda f: f.token(key=OTHER_KEY),
    "signature cut off": lambda f: f.token().rpartition(".")[0] + ".",
    "signature changed": lambda f: f.token()[:-8] + "AAAAAAAA",
    "claims changed": lambda f: _with_claims(f.token(), {**f.claims, "roles": "staff"}),
    "unsigned": lambda f: f"{_part({**f.header, 'alg': 'none'})}.{_part(f.claims)}.",
    "unsigned, in another spelling": lambda f: f"{_part({**f.header, 'alg': 'nOnE'})}.{_part(f.claims)}.",
    "unsigned, with a signature": lambda f: f"{_part({**f.header, 'alg': 'none'})}.{_part(f.claims)}.AAAA",
    "HMAC with the public key, PEM": lambda f: f.hmac_with_public_key(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    ),
    "HMAC with the public key, DER": lambda f: f.hmac_with_public_key(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    ),
    "another algorithm of the same key": lambda f: f.token({"alg": "RS512"}),
    "another padding of the same key": lambda f: f.token({"alg": "PS256"}),
    "another type of key": lambda f: f.token({"alg": "ES256"}, key=ec.generate_private_key(ec.SECP256R1())),
    "no algorithm": lambda f: f"{_part({'kid': f.header['kid'], 'typ': 'at+jwt'})}.{_part(f.claims)}.AAAA",
    "expired": lambda f: f.token(iat=int(time.time()) - 400, exp=int(time.time()) - 100),
    "issued in the future": lambda f: f.token(iat=int(time.time()) + 3600, exp=int(time.time()) + 7200),
    "not valid yet": lambda f: f.token(nbf=int(time.time()) + 3600),
    "never expires": lambda f: f.token(without="exp"),
    "expiry that is not a number": lambda f: f.token(exp="tomorrow"),
    "another audience": lambda f: f.token(aud="notes"),
    "the refresh audience": lambda f: f.token(aud="sallyport-refresh"),
    "an array for the audience": lambda f: f.token(aud=[f.claims["aud"]]),
    "another issuer": lambda f: f.token(iss="https://elsewhere.example"),
    "the typ of a refresh token": lambda f: f.token({"typ": "refresh+jwt"}),
    "the typ of an assertion": lambda f: f.token({"typ": "identity+jwt"}),
    "typ JWT": lambda f: f.token({"typ": "JWT"}),
    "token_type refresh": lambda f: f.token(token_type="refresh"),
    **{f"no {name}": _without(name) for name in ("iat", "iss", "aud", "sub", "jti", "sid", "token_type")},
    "a subject that is a number": lambda f: f.token(sub=1),
    "a real refresh token": lambda f: f.refresh,
    "signed with the secret of assertions": lambda f: jwt.encode(
        {**f.claims, "iss": "sallyport-gateway", "aud": "notes"},
        f.identity_secret,
        algorithm="HS256",
        headers={"typ": "identity+jwt"},
    ),
    "no kid": lambda f: jwt.encode(dict(f.claims), f.key, algorithm="RS256", headers={"typ": "at+jwt"}),
    "unknown kid": lambda f: f.token({"kid": "unknown"}),
    "kid is a path": lambda f: f.token({"kid": "../../../../dev/null"}),
    "kid is SQL": lambda f: f.token({"kid": "x' UNION SELECT 'key"}),
    "kid holds NUL": lambda f: f.token({"kid": f"{f.header['kid']}\0"}),
    "kid is a number": lambda f: _with_header(f.token(), {**f.header, "kid": 1}),
    "kid is a list": lambda f: _with_header(f.token(), {**f.header, "kid": [f.header["kid"]]}),
    "kid of 4 KB": lambda f: f.token({"kid": "k" * 4096}),
    "its own key in jwk": lambda f: f.token({"jwk": _jwk(OTHER_KEY)}, key=OTHER_KEY),
    "a URL of keys in jku": lambda f: f.token({"jku": "http://127.0.0.1:9/jwks.json"}, key=OTHER_KEY),
    "an extension that must be understood": lambda f: f.token({"crit": ["exotic"], "exotic": True}),
}  # fmt: skip


def _with_claims(token: str, claims: Mapping[str, Any]) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{_part(claims)}.{signature}"


def _with_header(token: str, header: Mapping[str, Any]) -> str:
    return f"{_part(header)}.{token.partition('.')[2]}"


def _jwk(key: rsa.RSAPrivateKey) -> dict[str, Any]:
    return dict(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True))


@pytest.mark.parametrize("path", PATHS)
def test_an_unchanged_token_of_the_forge_is_accepted(stack: RunningStack, forge: Forge, path: str) -> None:
    """Without this, forged tokens could be refused because of a fault of the forge."""
    assert stack.send("GET", path, forge.token(jti=uuid.uuid4().hex)).status_code == 200


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_token_gets_401(stack: RunningStack, forge: Forge, name: str, path: str) -> None:
    response = stack.send("GET", path, FORGERIES[name](forge))
    assert response.status_code == 401, response.text
    assert response.headers["WWW-Authenticate"].startswith("Bearer ")
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


@pytest.mark.parametrize("name", [name for name in FORGERIES if name != "a real refresh token"])
def test_a_forged_token_is_refused_by_verify_and_refresh(stack: RunningStack, forge: Forge, name: str) -> None:
    token = FORGERIES[name](forge)
    assert stack.send("POST", "/auth/jwt/verify/", json={"token": token}).status_code == 401
    assert stack.try_refresh(token).status_code == 401


@pytest.mark.parametrize("path", PATHS)
def test_a_token_that_is_too_long_is_refused(stack: RunningStack, forge: Forge, path: str) -> None:
    """401 also if the header section exceeds its own maximum, since a client gets a new token after a 401."""
    # Around 8,192 characters of a token, and above 32,768 bytes of a header section. Base64url adds a third.
    for length in (6_000, 7_000, 9_000, 64_000):
        response = stack.send("GET", path, forge.token({"kid": "k" * length}))
        assert response.status_code == 401
    for length in (9_000, 40_000):
        assert stack.try_refresh(forge.token({"kid": "k" * length})).status_code == 401


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("value", ["", "Bearer", "Bearer ", "Basic YTpi", "Token x", "Bearer a b"])
def test_a_malformed_authorization_field_gets_401(stack: RunningStack, value: str, path: str) -> None:
    response = send_raw(stack.url, f"GET {path} HTTP/1.1", f"Authorization: {value}")
    assert response.status == 401
    assert response.challenge.startswith("Bearer ")


@pytest.mark.parametrize("path", PATHS)
def test_without_a_token_the_challenge_has_no_error_code(stack: RunningStack, path: str) -> None:
    response = send_raw(stack.url, f"GET {path} HTTP/1.1")
    assert response.status == 401
    assert "error" not in response.challenge


# -- identities ------------------------------------------------------------------------------------

# Fields that a client sends in order to appear as another user.
SPOOFS: Mapping[str, tuple[str, ...]] = {
    "X-User-Id": ("X-User-Id: 1",),
    "roles": ("X-User-Roles: staff",),
    "all of them": ("X-User-Id: 1", "X-User-Email: boss@example.com", "X-User-Roles: staff", "X-Session-Id: 1"),
    "mixed case": ("x-uSeR-iD: 1", "X-IDENTITY: me"),
    "an assertion": ("X-Identity: eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.",),
    "the same twice": ("X-User-Id: 1", "X-User-Id: 2", "X-Identity: a", "X-Identity: b"),
    "named in Connection": ("X-User-Id: 1", "Connection: X-Identity, X-User-Id"),
    "the peer token": ("X-Peer: eyJhbGciOiJub25lIn0.e30.",),
    "forwarding headers": ("X-Forwarded-For: 10.0.0.1", "X-Forwarded-Host: evil", "Forwarded: for=10.0.0.1"),
}


@pytest.mark.parametrize("name", SPOOFS)
def test_spoofed_identity_headers_do_not_change_the_identity(stack: RunningStack, tokens: Tokens, name: str) -> None:
    expected = stack.whoami(tokens.access).json()
    response = send_raw(
        stack.url, "GET /api/whoami HTTP/1.1", f"Authorization: Bearer {tokens.access}", *SPOOFS[name]
    )
    assert response.status == 200
    assert json.loads(response.body) == expected


@pytest.mark.parametrize("name", SPOOFS)
def test_spoofed_identity_headers_without_a_token_get_401(stack: RunningStack, name: str) -> None:
    assert send_raw(stack.url, "GET /api/whoami HTTP/1.1", *SPOOFS[name]).status == 401


@pytest.mark.parametrize(
    "header", ["X_User_Id: 1", "x_user_roles: staff", "X_Identity: me", "X-User.Id: 1", "HTTP_X_USER_ID: 1"]
)
def test_spoofed_headers_with_ambiguous_names_have_no_effect(
    stack: RunningStack, tokens: Tokens, header: str
) -> None:
    """WSGI stores X_User_Id and X-User-Id in one variable. The field is dropped."""
    expected = stack.whoami(tokens.access).json()
    response = send_raw(stack.url, "GET /api/whoami HTTP/1.1", f"Authorization: Bearer {tokens.access}", header)
    assert (response.status, json.loads(response.body)) == (200, expected)
    assert send_raw(stack.url, "GET /api/whoami HTTP/1.1", header).status == 401
    socket = stack.data_dir / "run" / "resource.sock"
    assert send_raw(socket, "GET /api/whoami HTTP/1.1", header).status in (400, 401)


@pytest.mark.parametrize("path", ["/api/whoami", "/api/notes/", "/api/notes/export"])
@pytest.mark.parametrize("name", ["no header", *SPOOFS])
def test_the_resource_service_refuses_direct_requests_without_an_assertion(
    stack: RunningStack, tokens: Tokens, name: str, path: str
) -> None:
    socket = stack.data_dir / "run" / "resource.sock"
    bearer = f"Authorization: Bearer {tokens.access}"
    assert send_raw(socket, f"GET {path} HTTP/1.1", bearer, *SPOOFS.get(name, ())).status == 401
