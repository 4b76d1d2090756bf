"""Rate limits of one and of two gateways, over real sockets and a real Redis."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from chassis.redis_clients import redis_client
from tests.gateway.access_tokens import SigningKey, access_claims
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import RawClient, RawResponse
from tests.gateway.raw_upstream import RawUpstream
from tests.gateway.routes_toml import AUTH_UPSTREAM, NOTES_UPSTREAM, limits, route_table, routes_toml
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.stand_ins.valkey import valkey_server

# Public routes, and routes that need a token: "/own/" has a limit per identity, "/few-own/" one per address.
ROUTES = routes_toml(
    AUTH_UPSTREAM,
    NOTES_UPSTREAM,
    route_table("/few/", "public", limits=limits(address="5/hour")),
    route_table("/many/", "public", limits=limits(address="100/hour")),
    route_table("/own/", limits=limits(address="1000/day", identity="3/hour")),
    route_table("/few-own/", limits=limits(address="5/hour")),
    route_table("/free/", "public"),
)

Make = Callable[..., RunningGateway]


@pytest.fixture
def make(make_app: MakeApp, upstream: RawUpstream, redis_url: str, tmp_path: Path) -> Iterator[Make]:
    """`make(**settings)` starts a gateway. All of them share one Redis without counts."""
    (tmp_path / "routes.toml").write_text(ROUTES)
    with redis_client(redis_url) as redis:
        for name in redis.scan_iter("limit:*"):
            redis.delete(name)
    with ExitStack() as stack:
        yield lambda **more: stack.enter_context(
            running(make_app(GATEWAY_ROUTES=str(tmp_path / "routes.toml"), **more))
        )


def send(gateway: RunningGateway, path: str, *fields: str) -> RawResponse:
    with gateway.connect() as client:
        return client.request(f"GET {path} HTTP/1.1", "Host: gateway", *fields)


def statuses_of(gateway: RunningGateway, path: str, times: int, *fields: str) -> list[int]:
    """Return the statuses of `times` requests on one connection."""
    with gateway.connect() as client:
        return [client.request(f"GET {path} HTTP/1.1", "Host: gateway", *fields).status for _ in range(times)]


def test_responses_have_the_remaining_quota_and_refusals_have_retry_after(make: Make, upstream: RawUpstream) -> None:
    gateway = make()
    remaining = []
    for _ in range(5):
        response = send(gateway, "/few/x")
        assert response.status == 200
        assert response.get("ratelimit-policy") == '"address-3600s";q=5;w=3600'
        name, left, seconds = (response.get("ratelimit") or "").split(";")
        assert name == '"address-3600s"'
        assert 0 < int(seconds.removeprefix("t=")) <= 3_600
        remaining.append(int(left.removeprefix("r=")))
    assert remaining == [4, 3, 2, 1, 0]
    refused = send(gateway, "/few/x")
    assert (refused.status, refused.problem["code"]) == (429, "rate_limited")
    assert (refused.get("ratelimit") or "").startswith('"address-3600s";r=0;t=')
    assert 1 <= int(refused.get("retry-after") or 0) <= 2 * 3_600 + 10  # this window and the next, and jitter
    assert len(upstream.requests) == 5


def test_a_route_without_limits_has_no_ratelimit_fields_and_no_refusals(make: Make) -> None:
    gateway = make()
    response = send(gateway, "/free/x")
    assert response.get("ratelimit") is response.get("ratelimit-policy") is None
    assert set(statuses_of(gateway, "/free/x", 200)) == {200}


def test_two_gateways_share_a_small_limit_exactly(make: Make) -> None:
    one, two = make(), make()
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda number: statuses_of((one, two)[number % 2], "/few/x", 5), range(8)))
    statuses = [status for result in results for status in result]
    assert sorted(set(statuses)) == [200, 429]
    assert statuses.count(200) == 5


def test_two_gateways_share_a_larger_limit_within_a_tenth_each(make: Make) -> None:
    one, two = make(), make()
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda number: statuses_of((one, two)[number % 2], "/many/x", 50), range(8)))
    statuses = [status for result in results for status in result]
    assert 100 <= statuses.count(200) <= 120
    assert statuses.count(200) + statuses.count(429) == 400


def test_all_tokens_of_a_subject_share_one_limit(make: Make, signing_key: SigningKey) -> None:
    gateway = make()
    now = time.time()
    tokens = [signing_key.sign(access_claims(now, jti=f"{number:032x}", sid=str(number))) for number in range(4)]
    statuses = [send(gateway, "/own/x", f"Authorization: Bearer {token}").status for token in tokens]
    assert statuses == [200, 200, 200, 429]
    another = signing_key.sign(access_claims(now, sub="bob-id"))
    response = send(gateway, "/own/x", f"Authorization: Bearer {another}")
    assert response.status == 200
    assert response.get("ratelimit-policy") == '"address-86400s";q=1000;w=86400, "identity-3600s";q=3;w=3600'


@pytest.mark.parametrize("kind", ["bad", "malformed", "expired", "none"])
def test_unauthenticated_requests_share_one_limit_at_all_gateways(
    make: Make, signing_key: SigningKey, kind: str
) -> None:
    """If each gateway counted locally, each would admit the full rate."""
    claims = access_claims(time.time() - (600 if kind == "expired" else 0))
    good = signing_key.sign(claims)
    bad = good if kind == "expired" else good.rpartition(".")[0] + "." + "A" * 342  # as long as an RSA signature
    fields = {"none": (), "malformed": ("Authorization: Bearer a b",)}.get(kind, (f"Authorization: Bearer {bad}",))
    statuses = [statuses_of(make(), "/few-own/x", 5, *fields) for _ in range(4)]
    assert statuses == [[401] * 5, [429] * 5, [429] * 5, [429] * 5]


def test_a_request_refused_by_the_identity_limit_does_not_count_for_its_address(
    make: Make, signing_key: SigningKey
) -> None:
    """This holds for a cached token, and for a token that is sent with a refresh token."""
    gateways = [make(), make()]
    token = f"Authorization: Bearer {signing_key.sign(access_claims(time.time(), sub='busy'))}"
    refresh = "X-Refresh-Token: unneeded"
    for gateway in gateways:
        statuses_of(gateway, "/own/x", 6, token)
        statuses_of(gateway, "/own/x", 6, token, refresh)
    left = [send(gateway, "/own/x").problem["code"] for gateway in gateways]
    assert left == ["no_credentials"] * 2
    remaining = send(gateways[0], "/own/x", token).get("ratelimit") or ""
    assert '"address-86400s";r=996' in remaining  # at this gateway three admitted requests, and one without a token


def test_requests_with_invalid_tokens_count_for_their_address(make: Make, signing_key: SigningKey) -> None:
    """A missing, a malformed and an expired token each count once."""
    gateway = make()
    expired = signing_key.sign(access_claims(time.time() - 600))
    for fields in ((), ("Authorization: Bearer x",), (f"Authorization: Bearer {expired}",)):
        assert send(gateway, "/own/x", *fields).status == 401
    good = signing_key.sign(access_claims(time.time()))
    remaining = send(gateway, "/own/x", f"Authorization: Bearer {good}").get("ratelimit") or ""
    assert remaining.startswith('"address-86400s";r=996;'), "1,000 without the three, and without this request"


def test_the_session_endpoint_has_an_address_limit_and_health_checks_have_none(make: Make) -> None:
    gateway = make(SESSION_RATE="2/hour")
    assert statuses_of(gateway, "/session/", 3) == [401, 401, 429]
    assert set(statuses_of(gateway, "/healthz", 5)) == {200}


def test_pages_of_allowed_origins_may_read_the_ratelimit_fields(make: Make) -> None:
    gateway = make(ALLOWED_ORIGINS="https://app.example")
    response = send(gateway, "/few/x", "Origin: https://app.example")
    assert {"RateLimit", "RateLimit-Policy", "Retry-After"} <= set(
        (response.get("access-control-expose-headers") or "").split(", ")
    )


def test_rate_limits_can_be_switched_off(make: Make) -> None:
    gateway = make(RATE_LIMITS="off", SESSION_RATE="1/hour")
    assert statuses_of(gateway, "/few/x", 20) == [200] * 20
    assert statuses_of(gateway, "/session/", 3) == [401] * 3
    assert send(gateway, "/few/x").get("ratelimit") is None


def test_without_redis_a_gateway_counts_locally_and_fails_no_request(make: Make) -> None:
    with valkey_server() as server:
        gateway = make(REDIS_URL=server.url)
        assert statuses_of(gateway, "/few/x", 2) == [200, 200]
        server.stop()
        assert statuses_of(gateway, "/few/x", 6) == [200, 200, 200, 429, 429, 429]


def test_a_refusal_does_not_wait_for_the_body(make: Make) -> None:
    gateway = make()
    statuses_of(gateway, "/few/x", 5)
    with RawClient(gateway.port) as client:
        response = client.request("POST /few/x HTTP/1.1", "Host: gateway", "Content-Length: 1000")
    assert (response.status, response.get("connection")) == (429, "close")
    assert json.loads(response.body)["code"] == "rate_limited"
