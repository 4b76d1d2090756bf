"""Pages of listed origins may use the gateway, others may not read an answer. R45."""

from collections.abc import Iterator

import pytest

from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import Answer
from tests.gateway.raw_upstream import RawUpstream, answering, ok
from tests.gateway.running_gateway import RunningGateway, running

LISTED = [
    "capacitor://localhost",
    "ionic://localhost",
    "http://localhost",
    "https://localhost",
    "http://localhost:8100",
]
UNLISTED = ["https://evil.example", "null", "http://localhost:81", "https://localhost.evil.example", "*", ""]


@pytest.fixture(scope="module")
def gateway(make_app: MakeApp) -> Iterator[RunningGateway]:
    with running(make_app(ALLOWED_ORIGINS=",".join(LISTED))) as served:
        yield served


def ask(gateway: RunningGateway, line: str, *fields: str) -> Answer:
    with gateway.connect() as client:
        return client.ask(f"{line} HTTP/1.1", "Host: gateway", *fields)


@pytest.mark.parametrize("origin", LISTED)
@pytest.mark.parametrize("path", ["/api/x", "/public/x", "/auth/jwt/create/", "/session/", "/readonly/x"])
def test_a_preflight_of_a_listed_origin_is_answered_here(
    gateway: RunningGateway, upstream: RawUpstream, origin: str, path: str
) -> None:
    answer = ask(
        gateway,
        f"OPTIONS {path}",
        f"Origin: {origin}",
        "Access-Control-Request-Method: POST",
        "Access-Control-Request-Headers: authorization, content-type, x-refresh-token",
    )
    assert (answer.status, upstream.requests) == (204, [])
    assert answer.get("access-control-allow-origin") == origin
    assert answer.get("access-control-allow-credentials") == "true"
    assert answer.get("access-control-allow-headers") == "authorization, content-type, x-refresh-token"
    assert "POST" in (answer.get("access-control-allow-methods") or "")
    assert "Origin" in answer.get_all("vary")


@pytest.mark.parametrize("origin", UNLISTED)
def test_a_preflight_of_another_is_refused(gateway: RunningGateway, upstream: RawUpstream, origin: str) -> None:
    answer = ask(gateway, "OPTIONS /api/x", f"Origin: {origin}", "Access-Control-Request-Method: POST")
    assert (answer.status, answer.problem["code"], upstream.requests) == (403, "cross_site", [])
    assert answer.get("access-control-allow-origin") is None


@pytest.mark.parametrize("path", ["/api/x", "/public/x", "/session/", "/nowhere-at-all", "/readyz"])
def test_every_answer_can_be_read_by_listed_pages_and_by_no_other(
    gateway: RunningGateway, upstream: RawUpstream, path: str
) -> None:
    answer = ask(gateway, f"GET {path}", "Origin: capacitor://localhost")
    assert answer.get("access-control-allow-origin") == "capacitor://localhost"
    assert "X-Access-Token" in (answer.get("access-control-expose-headers") or "")
    for origin in UNLISTED:
        assert ask(gateway, f"GET {path}", f"Origin: {origin}").get("access-control-allow-origin") is None
    assert ask(gateway, f"GET {path}").get("access-control-allow-origin") is None


def test_an_upstreams_own_say_is_dropped(gateway: RunningGateway, upstream: RawUpstream) -> None:
    upstream.begin(answering(ok(b"ok", "Access-Control-Allow-Origin: *", "Vary: Accept")))
    answer = ask(gateway, "GET /public/x", "Origin: ionic://localhost")
    assert answer.get("access-control-allow-origin") == "ionic://localhost"
    assert answer.get_all("vary") == ["Accept", "Origin"]


def test_without_a_list_nothing_is_answered_for_services(make_app: MakeApp, upstream: RawUpstream) -> None:
    with running(make_app()) as gateway:
        answer = ask(gateway, "OPTIONS /public/x", "Origin: http://localhost", "Access-Control-Request-Method: GET")
        assert (answer.status, len(upstream.requests)) == (200, 1)
        assert answer.get("access-control-allow-origin") is None
