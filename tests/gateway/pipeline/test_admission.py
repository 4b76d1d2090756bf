"""A request gets the same response whether its admission waits for something or not."""

import time
from collections.abc import Iterator

import pytest

from contract.revocation import Revocation
from tests.gateway.access_tokens import SigningKey, access_claims
from tests.gateway.conftest import MakeApp
from tests.gateway.pipeline.admission import (
    CREDENTIALS,
    METHODS,
    ORIGINS,
    PATHS,
    QUERIES,
    Way,
    comparable,
    outcomes,
    three_ways,
)


@pytest.fixture(scope="module")
def ways(
    make_app: MakeApp, redis_url: str, signing_key: SigningKey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Way]]:
    with three_ways(make_app, redis_url, signing_key, tmp_path_factory.mktemp("ways")) as gateways:
        yield gateways


def check_alike(ways: list[Way], key: SigningKey, method: str, target: str, fields: tuple[str, ...]) -> None:
    body_fields, body = METHODS[method]
    line = f"{method.split(' ')[0]} {target}"
    at_once, in_task, suspended = (outcomes(way, key, line, (*fields, *body_fields), body) for way in ways)
    assert at_once == in_task, f"{line} {fields}"
    assert at_once == suspended, f"{line} {fields}"


@pytest.mark.parametrize("path", PATHS)
def test_every_credential_on_every_route(ways: list[Way], signing_key: SigningKey, path: str) -> None:
    for fields in CREDENTIALS.values():
        check_alike(ways, signing_key, "GET", path, fields)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("credential", ["none", "good", "bad", "cookie", "dead cookie", "refresh token"])
def test_every_method(ways: list[Way], signing_key: SigningKey, method: str, credential: str) -> None:
    for path in ("/public/x", "/api/x", "/one/x", "/small-answers/x", "/by-address/x", "/api/rejects"):
        check_alike(ways, signing_key, method, path, CREDENTIALS[credential])


@pytest.mark.parametrize("path", ["/api/x", "/by-address/x", "/roomy/x", "/streams/x", "/auth/users/me/"])
def test_a_revoked_token(ways: list[Way], signing_key: SigningKey, path: str) -> None:
    """It is refused also after it was verified, and after the head of its request was cached."""
    found = []
    for number, way in enumerate(ways):
        now, sid = time.time(), f"revoked-at-{path}"
        token = signing_key.sign(access_claims(now, sid=sid, jti=sid, sub=sid, exp=int(now) + 3_000))
        fields = "Host: gateway", f"Authorization: Bearer {token}", f"X-Forwarded-For: 10.200.0.{number}"
        revocations = way.pipeline._authentication._token_verifier._revocations
        with way.gateway.connect() as client:
            answers = [client.request(f"GET {path} HTTP/1.1", *fields)]
            revocations.add(Revocation("sid", sid, int(now), until=int(now) + 3_000))
            answers += [client.request(f"GET {path} HTTP/1.1", *fields) for _ in range(3)]
        found.append([comparable(answer, sid) for answer in answers])
        assert path.startswith("/auth/") or [answer.status for answer in answers][:2] == [200, 401]
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("query", QUERIES)
def test_every_origin_with_and_without_a_ticket(
    ways: list[Way], signing_key: SigningKey, origin: str, query: str
) -> None:
    for path in ("/public/x", "/api/x", "/streams/x", "/by-identity/x", "/nowhere"):
        for credential in ("none", "good", "expired", "cookie"):
            fields = (*CREDENTIALS[credential], *ORIGINS[origin])
            check_alike(ways, signing_key, "GET", path + QUERIES[query], fields)
