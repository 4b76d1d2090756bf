"""A request gets the same response whether its admission waits for something or not."""

import time
from collections.abc import Iterator

import pytest

from contract.revocation import Revocation
from gateway.compiled import is_compiled
from tests.gateway.access_tokens import SigningKey, access_claims
from tests.gateway.conftest import MakeApp
from tests.gateway.pipeline.admission import (
    CREDENTIALS,
    METHODS,
    ORIGINS,
    PATHS,
    QUERIES,
    GatewayVariant,
    comparable,
    outcomes,
    three_variants,
)
from tests.redis_topologies import needs_own_valkey

pytestmark = [
    pytest.mark.skipif(is_compiled(), reason="the variants replace methods of compiled objects"),
    needs_own_valkey,
]


@pytest.fixture(scope="module")
def variants(
    make_app: MakeApp, redis_url: str, signing_key: SigningKey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[GatewayVariant]]:
    with three_variants(make_app, redis_url, signing_key, tmp_path_factory.mktemp("variants")) as gateways:
        yield gateways


def assert_equal_outcomes(
    variants: list[GatewayVariant], key: SigningKey, method: str, target: str, fields: tuple[str, ...]
) -> None:
    """Check that the request has the same responses and records at every variant of the gateway."""
    body_fields, body = METHODS[method]
    line = f"{method.split(' ')[0]} {target}"
    at_once, in_task, suspended = (
        outcomes(variant, key, line, (*fields, *body_fields), body) for variant in variants
    )
    assert at_once == in_task, f"{line} {fields}"
    assert at_once == suspended, f"{line} {fields}"


@pytest.mark.parametrize("path", PATHS)
def test_every_credential_has_the_same_outcome_on_every_route(
    variants: list[GatewayVariant], signing_key: SigningKey, path: str
) -> None:
    for fields in CREDENTIALS.values():
        assert_equal_outcomes(variants, signing_key, "GET", path, fields)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "credential", ["none", "good", "bad", "cookie", "cookie of an ended session", "refresh token"]
)
def test_every_method_has_the_same_outcome(
    variants: list[GatewayVariant], signing_key: SigningKey, method: str, credential: str
) -> None:
    for path in ("/public/x", "/api/x", "/one/x", "/small-answers/x", "/by-address/x", "/api/rejects"):
        assert_equal_outcomes(variants, signing_key, method, path, CREDENTIALS[credential])


@pytest.mark.parametrize("path", ["/api/x", "/by-address/x", "/roomy/x", "/streams/x", "/auth/users/me/"])
def test_a_revoked_token_has_the_same_outcome(
    variants: list[GatewayVariant], signing_key: SigningKey, path: str
) -> None:
    """The gateway refuses it, even with a cached header section. Under /auth/ the auth service refuses it."""
    found = []
    for number, variant in enumerate(variants):
        now, sid = time.time(), f"revoked-at-{path}"
        token = signing_key.sign(access_claims(now, sid=sid, jti=sid, sub=sid, exp=int(now) + 3_000))
        fields = "Host: gateway", f"Authorization: Bearer {token}", f"X-Forwarded-For: 10.200.0.{number}"
        revocations = variant.pipeline._authentication._token_verifier._revocations
        with variant.gateway.connect() as client:
            answers = [client.request(f"GET {path} HTTP/1.1", *fields)]
            revocations.add(Revocation("sid", sid, int(now), until=int(now) + 3_000))
            answers += [client.request(f"GET {path} HTTP/1.1", *fields) for _ in range(3)]
        found.append([comparable(answer, sid) for answer in answers])
        if not path.startswith("/auth/"):
            statuses = [answer.status for answer in answers]
            assert statuses == [200, 401, *([429, 429] if path == "/by-address/x" else [401, 401])]
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("query", QUERIES)
def test_every_origin_has_the_same_outcome_with_and_without_a_ticket(
    variants: list[GatewayVariant], signing_key: SigningKey, origin: str, query: str
) -> None:
    for path in ("/public/x", "/api/x", "/streams/x", "/by-identity/x", "/nowhere"):
        for credential in ("none", "good", "expired", "cookie"):
            fields = (*CREDENTIALS[credential], *ORIGINS[origin])
            assert_equal_outcomes(variants, signing_key, "GET", path + QUERIES[query], fields)
