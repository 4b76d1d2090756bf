"""A request with an expired access token and a valid X-Refresh-Token succeeds, and returns the new tokens."""

import json
import time
from collections.abc import Iterator

import pytest

from sallyport_service.assertion import verify
from sallyport_service.keys import verification_key
from tests.gateway.access_tokens import IDENTITY_SECRET, SigningKey, access_claims
from tests.gateway.browser import send, send_concurrently
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_upstream import RawUpstream, answering, ok
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.stand_ins.auth_service import AuthStandIn, serving

REFRESH = "/auth/jwt/refresh/"


@pytest.fixture
def auth(signing_key: SigningKey) -> AuthStandIn:
    return AuthStandIn(signing_key)


@pytest.fixture
def gateway(auth: AuthStandIn, upstream: RawUpstream, make_app: MakeApp) -> Iterator[RunningGateway]:
    with serving(auth) as server, running(make_app(AUTH_URL=server.url)) as served:
        yield served


@pytest.fixture
def expired(signing_key: SigningKey) -> str:
    """An expired access token."""
    return signing_key.sign(access_claims(time.time() - 600))


def test_an_expired_token_is_refreshed_and_the_request_forwarded(
    gateway: RunningGateway, upstream: RawUpstream, expired: str
) -> None:
    answer = send(gateway, "GET /api/x", f"Authorization: Bearer {expired}", "X-Refresh-Token: good-refresh")
    assert (answer.status, answer.body) == (200, b"ok")
    assert answer.get("x-refresh-token") == "successor"
    assert answer.get("cache-control") == "no-store"
    assert upstream.last.get("x-refresh-token") is None
    assert upstream.last.get("authorization") is None
    assertion = upstream.last.get("x-identity") or ""
    key = verification_key(IDENTITY_SECRET)
    assert verify(assertion, key=key, audience="notes", now=time.time()).subject == "ada-id"
    again = send(gateway, "GET /api/x", f"Authorization: Bearer {answer.get('x-access-token')}")
    assert again.status == 200
    assert again.get("x-access-token") is None


def test_a_request_body_is_forwarded_whole_after_the_refresh(
    gateway: RunningGateway, upstream: RawUpstream, expired: str
) -> None:
    """The refresh ends before the first byte is forwarded."""
    body = bytes(range(256)) * 4_000
    answer = send(
        gateway, "POST /api/x", f"Authorization: Bearer {expired}", "X-Refresh-Token: good-refresh", body=body
    )
    assert (answer.status, upstream.last.content()) == (200, body)


def test_a_valid_token_is_not_refreshed(gateway: RunningGateway, auth: AuthStandIn, token: str) -> None:
    answer = send(gateway, "GET /api/x", f"Authorization: Bearer {token}", "X-Refresh-Token: good-refresh")
    assert (answer.status, auth.count(REFRESH)) == (200, 0)


def test_fifty_concurrent_requests_with_one_refresh_token_cause_one_call(
    gateway: RunningGateway, auth: AuthStandIn, expired: str
) -> None:
    fields = f"Authorization: Bearer {expired}", "X-Refresh-Token: good-refresh"
    assert send_concurrently(50, gateway, auth, *fields) == [200] * 50
    assert auth.count(REFRESH) == 1


def test_a_refused_refresh_token_is_a_401(gateway: RunningGateway, expired: str) -> None:
    answer = send(gateway, "GET /api/x", f"Authorization: Bearer {expired}", "X-Refresh-Token: unknown")
    assert (answer.status, answer.problem["code"]) == (401, "token_expired")


def test_an_outage_of_the_auth_service_is_a_503_and_never_a_401(
    gateway: RunningGateway, auth: AuthStandIn, expired: str
) -> None:
    auth.down = True
    answer = send(gateway, "GET /api/x", f"Authorization: Bearer {expired}", "X-Refresh-Token: good-refresh")
    assert (answer.status, answer.problem["code"]) == (503, "auth_unavailable")
    assert answer.get("retry-after") in ("1", "2")


def test_an_error_response_contains_the_new_tokens(
    gateway: RunningGateway, upstream: RawUpstream, expired: str
) -> None:
    upstream.begin(answering(b"", then_close=True))
    answer = send(gateway, "POST /api/x", f"Authorization: Bearer {expired}", "X-Refresh-Token: good-refresh")
    assert (answer.status, answer.get("x-refresh-token")) == (502, "successor")


def test_a_forged_token_is_not_refreshed(gateway: RunningGateway, auth: AuthStandIn, token: str) -> None:
    forged = token.rpartition(".")[0] + "." + "A" * 342  # as long as an RSA signature
    answer = send(gateway, "GET /api/x", f"Authorization: Bearer {forged}", "X-Refresh-Token: good-refresh")
    assert (answer.status, auth.count(REFRESH)) == (401, 0)


@pytest.mark.parametrize("seconds_ago", [1, 300])
def test_an_expired_token_of_a_replaced_signing_key_is_refreshed(gateway: RunningGateway, seconds_ago: int) -> None:
    """This happens to a client that was offline during a key rotation."""
    replaced = SigningKey("replaced").sign(access_claims(time.time() - 300 - seconds_ago))
    answer = send(gateway, "GET /api/x", f"Authorization: Bearer {replaced}", "X-Refresh-Token: good-refresh")
    assert (answer.status, answer.get("x-refresh-token")) == (200, "successor")
    alone = send(gateway, "GET /api/x", f"Authorization: Bearer {replaced}")
    assert (alone.status, alone.problem["code"]) == (401, "token_expired")


def test_an_unexpired_token_of_an_unknown_signing_key_is_not_refreshed(
    gateway: RunningGateway, auth: AuthStandIn
) -> None:
    unknown = SigningKey("unknown").sign(access_claims(time.time()))
    answer = send(gateway, "GET /api/x", f"Authorization: Bearer {unknown}", "X-Refresh-Token: good-refresh")
    assert (answer.status, answer.problem["code"], auth.count(REFRESH)) == (401, "token_invalid", 0)


def test_two_refresh_tokens_are_refused(gateway: RunningGateway, expired: str) -> None:
    fields = (f"Authorization: Bearer {expired}", "X-Refresh-Token: good-refresh", "X-Refresh-Token: other")
    assert send(gateway, "GET /api/x", *fields).problem["code"] == "multiple_credentials"


def test_the_auth_service_receives_the_new_access_token(gateway: RunningGateway, expired: str) -> None:
    answer = send(gateway, "GET /auth/users/me/", f"Authorization: Bearer {expired}", "X-Refresh-Token: good-refresh")
    assert json.loads(answer.body)["authorization"] == f"Bearer {answer.get('x-access-token')}"


def test_token_headers_in_a_response_of_an_upstream_are_removed(
    gateway: RunningGateway, upstream: RawUpstream, token: str
) -> None:
    upstream.begin(answering(ok(b"ok", "X-Access-Token: planted", "X-Refresh-Token: planted")))
    answer = send(gateway, "GET /api/x", f"Authorization: Bearer {token}")
    assert (answer.get("x-access-token"), answer.get("x-refresh-token")) == (None, None)
