"""Rate limits as clients of one and of two gateways meet them, over real sockets and a real Redis."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis import Redis

from tests.gateway.access_tokens import SigningKey, access_claims
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import Answer, RawClient
from tests.gateway.raw_upstream import RawUpstream
from tests.gateway.routes_toml import AUTH_UPSTREAM, NOTES_UPSTREAM, limits, route_table, routes_toml
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.stand_ins.valkey import valkey_server

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
    """Gateways that share one Redis, in which nothing was counted yet."""
    (tmp_path / "routes.toml").write_text(ROUTES)
    with Redis.from_url(redis_url) as redis:
        for name in redis.scan_iter("limit:*"):
            redis.delete(name)
    with ExitStack() as stack:
        yield lambda **more: stack.enter_context(
            running(make_app(GATEWAY_ROUTES=str(tmp_path / "routes.toml"), **more))
        )


def ask(gateway: RunningGateway, path: str, *fields: str) -> Answer:
    with gateway.connect() as client:
        return client.ask(f"GET {path} HTTP/1.1", "Host: gateway", *fields)


def asks_of(gateway: RunningGateway, path: str, times: int, *fields: str) -> list[int]:
    """The statuses of so many requests on one connection."""
    with gateway.connect() as client:
        return [client.ask(f"GET {path} HTTP/1.1", "Host: gateway", *fields).status for _ in range(times)]


def test_the_client_is_told_how_it_stands_and_at_last_when_to_return(make: Make, upstream: RawUpstream) -> None:
    gateway = make()
    remaining = []
    for _ in range(5):
        answer = ask(gateway, "/few/x")
        assert answer.status == 200
        assert answer.get("ratelimit-policy") == '"address-3600s";q=5;w=3600'
        name, left, seconds = (answer.get("ratelimit") or "").split(";")
        assert name == '"address-3600s"'
        assert 0 < int(seconds.removeprefix("t=")) <= 3_600
        remaining.append(int(left.removeprefix("r=")))
    assert remaining == [4, 3, 2, 1, 0]
    refused = ask(gateway, "/few/x")
    assert (refused.status, refused.problem["code"]) == (429, "rate_limited")
    assert (refused.get("ratelimit") or "").startswith('"address-3600s";r=0;t=')
    assert 1 <= int(refused.get("retry-after") or 0) <= 2 * 3_600 + 10
    assert len(upstream.requests) == 5


def test_a_route_without_limits_says_nothing_and_refuses_nobody(make: Make) -> None:
    gateway = make()
    answer = ask(gateway, "/free/x")
    assert answer.get("ratelimit") is answer.get("ratelimit-policy") is None
    assert set(asks_of(gateway, "/free/x", 200)) == {200}


def test_two_gateways_share_a_small_limit_exactly(make: Make) -> None:
    one, two = make(), make()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: asks_of((one, two)[number % 2], "/few/x", 5), range(8)))
    statuses = [status for some in found for status in some]
    assert sorted(set(statuses)) == [200, 429]
    assert statuses.count(200) == 5


def test_two_gateways_share_a_larger_limit_within_a_tenth_each(make: Make) -> None:
    one, two = make(), make()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: asks_of((one, two)[number % 2], "/many/x", 50), range(8)))
    statuses = [status for some in found for status in some]
    assert 100 <= statuses.count(200) <= 120
    assert statuses.count(200) + statuses.count(429) == 400


def test_an_identity_has_one_budget_whatever_token_and_address_it_comes_with(
    make: Make, signing_key: SigningKey
) -> None:
    gateway = make()
    now = time.time()
    tokens = [signing_key.sign(access_claims(now, jti=f"{number:032x}", sid=str(number))) for number in range(4)]
    statuses = [ask(gateway, "/own/x", f"Authorization: Bearer {token}").status for token in tokens]
    assert statuses == [200, 200, 200, 429]
    another = signing_key.sign(access_claims(now, sub="bob-id"))
    answer = ask(gateway, "/own/x", f"Authorization: Bearer {another}")
    assert answer.status == 200
    assert answer.get("ratelimit-policy") == '"address-86400s";q=1000;w=86400, "identity-3600s";q=3;w=3600'


@pytest.mark.parametrize("kind", ["bad", "malformed", "expired", "none"])
def test_requests_that_prove_nothing_meet_one_limit_at_all_gateways(
    make: Make, signing_key: SigningKey, kind: str
) -> None:
    """As good ones do: what a worker counts alone would let each of them in as often."""
    claims = access_claims(time.time() - (600 if kind == "expired" else 0))
    good = signing_key.sign(claims)
    bad = good if kind == "expired" else good.rpartition(".")[0] + "." + "A" * 342
    fields = {"none": (), "malformed": ("Authorization: Bearer a b",)}.get(kind, (f"Authorization: Bearer {bad}",))
    statuses = [asks_of(make(), "/few-own/x", 5, *fields) for _ in range(4)]
    assert statuses == [[401] * 5, [429] * 5, [429] * 5, [429] * 5]


def test_what_an_identitys_limit_refuses_does_not_count_for_its_address(
    make: Make, signing_key: SigningKey, redis_url: str
) -> None:
    """Nor anywhere else, whichever way the request took."""
    gateways = [make(), make()]
    token = f"Authorization: Bearer {signing_key.sign(access_claims(time.time(), sub='busy'))}"
    refresh = "X-Refresh-Token: unneeded"  # takes the long way
    for gateway in gateways:
        asks_of(gateway, "/own/x", 6, token)
        asks_of(gateway, "/own/x", 6, token, refresh)
    left = [ask(gateway, "/own/x").problem["code"] for gateway in gateways]
    assert left == ["no_credentials"] * 2
    told = ask(gateways[0], "/own/x", token).get("ratelimit") or ""
    assert '"address-86400s";r=996' in told  # three that were let in, and one without a token


def test_requests_with_bad_tokens_count_for_their_address(make: Make, signing_key: SigningKey) -> None:
    """Those the gateway knows at once as well as those it has to look at."""
    gateway = make()
    expired = signing_key.sign(access_claims(time.time() - 600))
    for fields in ((), ("Authorization: Bearer x",), (f"Authorization: Bearer {expired}",)):
        assert ask(gateway, "/own/x", *fields).status == 401
    good = signing_key.sign(access_claims(time.time()))
    standing = ask(gateway, "/own/x", f"Authorization: Bearer {good}").get("ratelimit") or ""
    assert standing.startswith('"address-86400s";r=996;')


def test_the_sessions_endpoint_is_limited_by_address_and_health_is_not(make: Make) -> None:
    gateway = make(SESSION_RATE="2/hour")
    assert asks_of(gateway, "/session/", 3) == [401, 401, 429]
    assert set(asks_of(gateway, "/healthz", 5)) == {200}


def test_pages_of_other_origins_may_read_how_they_stand(make: Make) -> None:
    gateway = make(ALLOWED_ORIGINS="https://app.example")
    answer = ask(gateway, "/few/x", "Origin: https://app.example")
    assert {"RateLimit", "RateLimit-Policy", "Retry-After"} <= set(
        (answer.get("access-control-expose-headers") or "").split(", ")
    )


def test_rate_limits_off_is_off(make: Make) -> None:
    gateway = make(RATE_LIMITS="off", SESSION_RATE="1/hour")
    assert asks_of(gateway, "/few/x", 20) == [200] * 20
    assert asks_of(gateway, "/session/", 3) == [401] * 3
    assert ask(gateway, "/few/x").get("ratelimit") is None


def test_without_redis_a_gateway_counts_alone_and_answers_no_5xx(make: Make) -> None:
    with valkey_server() as server:
        gateway = make(REDIS_URL=server.url)
        assert asks_of(gateway, "/few/x", 2) == [200, 200]
        server.stop()
        assert asks_of(gateway, "/few/x", 6) == [200, 200, 200, 429, 429, 429]


def test_a_refused_body_is_not_waited_for(make: Make) -> None:
    gateway = make()
    asks_of(gateway, "/few/x", 5)
    with RawClient(gateway.port) as client:
        answer = client.ask("POST /few/x HTTP/1.1", "Host: gateway", "Content-Length: 1000")
    assert (answer.status, answer.get("connection")) == (429, "close")
    assert json.loads(answer.body)["code"] == "rate_limited"
