"""The gateway, the auth service and a resource service read tokens alike, the first two also Authorization fields.

The tests send each of them the same valid token in many invalid forms.
"""

import asyncio
import json
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.claims import DEFAULT_ACCESS_AUDIENCE, DEFAULT_ISSUER
from contract.identity import sign
from contract.jws import sign_payload
from contract.keys import assertion_signer
from contract.problems import Refused
from gateway.pipeline.credentials import bearer_token
from gateway.suspendable import run
from gateway.tokens.revocations import Revocations
from gateway.tokens.verification_keys import VerificationKeys
from gateway.tokens.verifier import TokenVerifier
from sallyport_service import Identity, IdentityVerifier
from sallyport_service.flask import current_identity, install_identity
from tests.auth_service.forge import Forge, claims_of, header_of
from tests.auth_service.world import Person
from tests.clocks import MovableClock

SECRET = "Jq0w3m8ZsXcV5bN7kLpTfGh2RyUeDiOaWq1s9d4f6g8h0j2k3l5z7x1c9v2b4n6m"
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

GOOD, ANONYMOUS, INVALID = "good", "anonymous", "invalid"
"""A valid token is accepted; the field has no Bearer token, as if it were missing; its Bearer token is refused."""


VALUES = {
    "Bearer {}": GOOD,
    "bearer {}": GOOD,
    "BEARER {}": GOOD,
    "Bearer  {}": GOOD,
    "Bearer     {}": GOOD,
    " Bearer {} ": GOOD,
    "": ANONYMOUS,
    " ": ANONYMOUS,
    "{}": ANONYMOUS,
    "Basic {}": ANONYMOUS,
    "Token {}": ANONYMOUS,
    "Bearer{}": ANONYMOUS,
    "Bearer\xa0{}": INVALID,
    "Bearer\x85{}": INVALID,
    "Bearer\t{}": INVALID,
    "Bearer \t{}": INVALID,
    "Bearer \xa0{}": INVALID,
    "Bearer {}\xa0": INVALID,
    "Bearer": INVALID,
    "Bearer ": INVALID,
    "Bearer {}=": INVALID,
    "Bearer {}==": INVALID,
    "Bearer ={}": INVALID,
    'Bearer "{}"': INVALID,
    "Bearer {},": INVALID,
    "Bearer {},Bearer {}": INVALID,
    "Bearer {} {}": INVALID,
    "Bearer={}": INVALID,
    "Bearer:{}": INVALID,
    "Bearer,{}": INVALID,
    "Bearer realm={}": INVALID,
    "Bearer é{}": INVALID,
    "Bearer " + "a" * 9_000: INVALID,
}
"""Values of Authorization, with `{}` in place of a valid token, and how they are read."""


@pytest.fixture
def at_the_gateway(client: FlaskClient, clock: MovableClock) -> Callable[[str], str]:
    """Return a function that returns how the gateway reads an Authorization value: good, anonymous or invalid."""

    async def fetch() -> bytes:
        return bytes(client.get("/.well-known/jwks.json").data)

    keys = VerificationKeys(fetch, clock, 300)
    asyncio.run(keys.refresh())
    token_verifier = TokenVerifier(
        *(keys, Revocations(fail_closed=False), lambda _: None, clock),
        issuer=DEFAULT_ISSUER,
        audience=DEFAULT_ACCESS_AUDIENCE,
        size=10,
        leeway=10,
    )

    def read(value: str) -> str:
        try:
            asyncio.run(run(token_verifier.verify(bearer_token(value.encode("latin-1")))))
        except Refused as refused:
            return _read_challenge(refused.to_headers()["WWW-Authenticate"])
        return GOOD

    return read


@pytest.fixture
def at_the_auth_service(client: FlaskClient) -> Callable[[str], str]:
    """Return a function that returns how the auth service reads an Authorization value."""

    def read(value: str) -> str:
        # Set as a WSGI server does, because the test client refuses some of the values that a socket can carry.
        answer = client.get("/auth/users/me/", environ_overrides={"HTTP_AUTHORIZATION": value})
        if answer.status_code == 200:
            return GOOD
        assert answer.status_code == 401
        return _read_challenge(answer.headers["WWW-Authenticate"])

    return read


@pytest.fixture
def at_a_resource_service(clock: MovableClock) -> Callable[[str], str]:
    """Return a function that returns how a service behind the gateway reads an assertion."""
    app = Flask(__name__)
    install_identity(app, IdentityVerifier(SECRET, "notes", clock=clock))

    @app.get("/")
    def who() -> str:
        return current_identity().subject

    def read(assertion: str) -> str:
        answer = app.test_client().get("/", environ_overrides={"HTTP_X_IDENTITY": assertion})
        return {200: GOOD, 401: INVALID}[answer.status_code]

    return read


def _read_challenge(challenge: str) -> str:
    return INVALID if "invalid_token" in challenge else ANONYMOUS


@pytest.mark.parametrize(("value", "expected"), VALUES.items())
def test_an_authorization_field_means_the_same_to_the_gateway_and_the_auth_service(
    value: str,
    expected: str,
    ann: Person,
    at_the_gateway: Callable[[str], str],
    at_the_auth_service: Callable[[str], str],
) -> None:
    """RFC 9110 11.4: a scheme, spaces and a token68."""
    sent = value.replace("{}", ann.access)
    assert (at_the_gateway(sent), at_the_auth_service(sent)) == (expected, expected)


def _spellings(token: str) -> Iterator[str]:
    """Return other encodings of `token` that a lenient reader would decode to the same bytes."""
    parts = token.split(".")
    for place in range(3):
        part = parts[place]
        for letter in ALPHABET:
            yield ".".join([*parts[:place], part[:-1] + letter, *parts[place + 1 :]])
        for more in ("=", "==", "===", "A", "\n", "%3D", "+", "/", "\x00", "\xa0"):
            yield ".".join([*parts[:place], part + more, *parts[place + 1 :]])
            yield ".".join([*parts[:place], more + part, *parts[place + 1 :]])
        yield ".".join([*parts[:place], part.replace("-", "+").replace("_", "/"), *parts[place + 1 :]])
    yield from (f"{token}.", f".{token}", f"{token}.{parts[2]}", ".".join(parts[:2]), "..")


def test_a_token_has_one_encoding(
    ann: Person,
    clock: MovableClock,
    at_the_gateway: Callable[[str], str],
    at_the_auth_service: Callable[[str], str],
    at_a_resource_service: Callable[[str], str],
) -> None:
    """RFC 4648 3.5 and RFC 7515 2: the unused bits of a part's last character are zero, and there is no padding."""
    identity = Identity("ada-id", "ada-session", "ada@example.org")
    assertion = sign(identity, signer=assertion_signer(SECRET), audience="notes", now=clock())
    assert at_a_resource_service(assertion) == GOOD
    accepted = {
        "gateway": [t for t in _spellings(ann.access) if at_the_gateway(f"Bearer {t}") == GOOD],
        "auth service": [t for t in _spellings(ann.access) if at_the_auth_service(f"Bearer {t}") == GOOD],
        "resource service": [t for t in _spellings(assertion) if at_a_resource_service(t) == GOOD],
    }
    assert {service: set(tokens) for service, tokens in accepted.items()} == {
        "gateway": {ann.access},
        "auth service": {ann.access},
        "resource service": {assertion},
    }


HEADERS = (
    '{{"alg":"{alg}","kid":"{kid}","typ":"{typ}","b64":true}}',
    '{{"alg":"{alg}","kid":"{kid}","typ":"{typ}","b64":false}}',
    '{{"alg":"{alg}","kid":"{kid}","typ":"{typ}","b64":false,"crit":["b64"]}}',
    '{{"alg":"{alg}","kid":"{kid}","typ":"{typ}","crit":[]}}',
    '{{"alg":"{alg}","alg":"{alg}","kid":"{kid}","typ":"{typ}"}}',
    '{{"alg":"none","alg":"{alg}","kid":"{kid}","typ":"{typ}"}}',
    '{{"alg":"{alg}","kid":"{kid}","kid":"{kid}","typ":"{typ}"}}',
    '{{"alg":"{alg}","kid":"{kid}","typ":"x","typ":"{typ}"}}',
    '{{"alg":"{alg}","kid":"{kid}","typ":"application/{typ}"}}',
    '{{"alg":["{alg}"],"kid":"{kid}","typ":"{typ}"}}',
    '{{"alg":"none","kid":"{kid}","typ":"{typ}"}}',
    '\ufeff{{"alg":"{alg}","kid":"{kid}","typ":"{typ}"}}',
    '{{"alg":"{alg}","kid":"{kid}","typ":"{typ}"}}{{}}',
)


@pytest.mark.parametrize("header", HEADERS)
def test_a_signed_token_with_an_invalid_header_is_refused_everywhere(
    header: str,
    ann: Person,
    clock: MovableClock,
    forge: Forge,
    at_the_gateway: Callable[[str], str],
    at_the_auth_service: Callable[[str], str],
    at_a_resource_service: Callable[[str], str],
) -> None:
    """RFC 7515 4: a member must not occur twice. RFC 7797 7: a JWT must not have `b64`."""
    kid = header_of(ann.access)["kid"]
    access = forge.sign_raw(header.format(alg="RS256", kid=kid, typ="at+jwt"), json.dumps(claims_of(ann.access)))
    assertion = _assertion(header.format(alg="HS256", kid="k", typ="identity+jwt"), clock())
    read = (
        at_the_gateway(f"Bearer {access}"),
        at_the_auth_service(f"Bearer {access}"),
        at_a_resource_service(assertion),
    )
    assert read == (INVALID, INVALID, INVALID)


def test_a_repeated_claim_is_refused_by_the_gateway_and_the_auth_service(
    ann: Person,
    forge: Forge,
    at_the_gateway: Callable[[str], str],
    at_the_auth_service: Callable[[str], str],
) -> None:
    """RFC 7519 4: the names of claims are unique."""
    claims = json.dumps(claims_of(ann.access))
    good = forge.sign_raw(json.dumps(header_of(ann.access)), claims)
    twice = forge.sign_raw(json.dumps(header_of(ann.access)), claims.replace("{", '{"sub": "x", ', 1))
    assert [(at_the_gateway(f"Bearer {t}"), at_the_auth_service(f"Bearer {t}")) for t in (good, twice)] == [
        (GOOD, GOOD),
        (INVALID, INVALID),
    ]


_PIECES = st.sampled_from(["Bearer", "bearer", " ", "  ", "\t", "{}", "=", ",", '"', "\xa0", ".", "~", "Basic"])


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(pieces=st.lists(_PIECES, max_size=6))
def test_random_authorization_fields_mean_the_same_to_the_gateway_and_the_auth_service(
    pieces: list[str],
    ann: Person,
    at_the_gateway: Callable[[str], str],
    at_the_auth_service: Callable[[str], str],
) -> None:
    value = "".join(pieces).replace("{}", ann.access)
    assert at_the_gateway(value) == at_the_auth_service(value)


def _assertion(header: str, now: float) -> str:
    valid_assertion = sign(Identity("a", "s", "a@b.co"), signer=assertion_signer(SECRET), audience="notes", now=now)
    return sign_payload(
        json.dumps(claims_of(valid_assertion)), header=_encoded(header), sign=assertion_signer(SECRET).sign
    )


def _encoded(header: str) -> str:
    """Return the base64url encoding of `header`, as sign_payload encodes a payload."""
    return sign_payload(header, header="x", sign=lambda _: b"x").split(".")[1]
