"""A session cookie gives access to the same routes as a token. The gateway fetches and renews the session's token."""

import json
import time
from collections.abc import Iterator

import pytest

from chassis.redis_clients import redis_client
from contract.internal_api import EXCHANGE_PATH
from contract.revocation import SESSION, STREAM, Revocation
from tests.clocks import ShiftedClock
from tests.gateway.access_tokens import SigningKey
from tests.gateway.browser import (
    COOKIE,
    SAME_ORIGIN,
    UNKNOWN_HANDLE,
    handle_in,
    log_in,
    log_in_for_cookie,
    send,
    send_concurrently,
)
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_upstream import WAIT, RawUpstream
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.stand_ins.auth_service import PASSWORD, AuthStandIn, serving


@pytest.fixture
def clock() -> ShiftedClock:
    return ShiftedClock()


@pytest.fixture
def auth(signing_key: SigningKey, clock: ShiftedClock) -> AuthStandIn:
    return AuthStandIn(signing_key, clock)


@pytest.fixture
def gateway(
    auth: AuthStandIn, upstream: RawUpstream, make_app: MakeApp, clock: ShiftedClock
) -> Iterator[RunningGateway]:
    with serving(auth) as server, running(make_app(clock, AUTH_URL=server.url)) as served:
        yield served


def test_the_cookie_gives_access_to_the_same_routes_as_a_token(
    gateway: RunningGateway, upstream: RawUpstream
) -> None:
    cookie = f"Cookie: theme=dark; {COOKIE}={handle_in(log_in(gateway))}; lang=en"
    assert send(gateway, "GET /api/x", cookie).status == 200
    assert upstream.last.get("x-user-id") == "ada-id"
    assert upstream.last.get("cookie") is None
    me = json.loads(send(gateway, "GET /auth/users/me/", cookie).body)
    assert me["authorization"].startswith("Bearer eyJ")
    assert me["cookie"] == "theme=dark; lang=en"  # without the handle


def test_an_unsafe_method_is_accepted_only_from_a_page_of_the_same_origin(
    gateway: RunningGateway, upstream: RawUpstream
) -> None:
    cookie = log_in_for_cookie(gateway)
    assert send(gateway, "POST /api/x", cookie, body=b"x").problem["code"] == "cross_site"
    assert upstream.requests == []
    assert send(gateway, "POST /api/x", cookie, *SAME_ORIGIN, body=b"x").status == 200


@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [
        ("http://gateway", True),
        ("http://gateway:80", True),
        ("http://localhost:8100", True),
        ("https://gateway", False),
        ("evil://gateway", False),
        ("http://gateway:81", False),
        ("http://gateway.evil.example", False),
        ("null", False),
    ],
)
def test_every_endpoint_that_accepts_the_cookie_checks_the_origin(
    gateway: RunningGateway, upstream: RawUpstream, origin: str, is_allowed: bool
) -> None:
    """RFC 6454: scheme, host and port. `http://localhost:8100` is allowed in development."""
    fields = (log_in_for_cookie(gateway), "X-Requested-With: app", f"Origin: {origin}")
    refused = [
        send(gateway, "POST /api/x", *fields, body=b"x").status == 403,
        send(gateway, "POST /session/ticket", *fields).status == 403,
        send(gateway, "POST /auth/users/set_password/", *fields, body=b"{}").status == 403,
        send(gateway, "DELETE /session/", *fields).status == 403,
    ]
    assert refused == [not is_allowed] * 4
    assert len(upstream.requests) == is_allowed


def test_behind_tls_the_scheme_comes_from_a_trusted_proxy(
    auth: AuthStandIn, upstream: RawUpstream, make_app: MakeApp
) -> None:
    page = ("X-Requested-With: app", "Origin: https://gateway")
    with (
        serving(auth) as server,
        running(make_app(AUTH_URL=server.url, TRUSTED_PROXIES="127.0.0.1", APP_ENV="production")) as gateway,
    ):
        by_tls = (*page, "X-Forwarded-Proto: https")
        cookie = f"Cookie: {COOKIE}={handle_in(log_in(gateway, PASSWORD, *by_tls))}"
        assert send(gateway, "POST /api/x", cookie, *by_tls, body=b"x").status == 200
        refused = send(gateway, "POST /api/x", cookie, *page, body=b"x")
    assert (refused.status, refused.problem["code"]) == (403, "cross_site")
    assert "TRUSTED_PROXIES" in refused.problem["detail"]


def test_an_outage_of_the_auth_service_never_clears_the_cookie(gateway: RunningGateway, auth: AuthStandIn) -> None:
    cookie = log_in_for_cookie(gateway)
    auth.down = True
    assert send(gateway, "GET /api/x", cookie).status == 200  # the cached token is still valid
    log_out = send(gateway, "DELETE /session/", cookie, *SAME_ORIGIN)
    assert (log_out.status, log_out.get("set-cookie")) == (503, None)
    assert log_out.get("retry-after") in ("1", "2")
    refused = send(gateway, "GET /api/x", cookie)
    assert (refused.status, refused.problem["code"]) == (503, "auth_unavailable")
    assert refused.get("set-cookie") is None
    auth.down = False
    assert send(gateway, "GET /api/x", cookie).status == 200


def test_an_unknown_handle_is_exchanged_once(gateway: RunningGateway, auth: AuthStandIn) -> None:
    for _ in range(5):
        assert send(gateway, "GET /api/x", f"Cookie: {COOKIE}={UNKNOWN_HANDLE}").problem["code"] == "session_ended"
    assert auth.count(EXCHANGE_PATH) == 1


def test_fifty_concurrent_requests_with_an_expired_token_cause_one_exchange(
    gateway: RunningGateway, auth: AuthStandIn, clock: ShiftedClock
) -> None:
    cookie = log_in_for_cookie(gateway)
    clock.move(auth.lifetime + 1)
    assert send_concurrently(50, gateway, auth, cookie) == [200] * 50
    assert auth.count(EXCHANGE_PATH) == 1


def test_a_token_is_renewed_before_it_expires_while_requests_go_on(
    gateway: RunningGateway, auth: AuthStandIn, clock: ShiftedClock
) -> None:
    """No request waits for the exchange."""
    cookie = log_in_for_cookie(gateway)
    clock.move(auth.lifetime * 0.9)
    signed_tokens, auth.holds_responses = auth.signed_tokens, True
    assert send(gateway, "GET /api/x", cookie).status == 200
    assert auth.signed_tokens == signed_tokens
    auth.holds_responses = False
    deadline = time.monotonic() + WAIT
    while auth.signed_tokens == signed_tokens and time.monotonic() < deadline:
        time.sleep(0.02)
    assert (auth.signed_tokens, auth.count(EXCHANGE_PATH)) == (signed_tokens + 1, 1)


def test_the_cookie_of_a_revoked_session_is_refused_everywhere(
    gateway: RunningGateway, auth: AuthStandIn, clock: ShiftedClock, redis_url: str
) -> None:
    """The session ended, for example, by a log-out at another worker or by a password change."""
    cookie = log_in_for_cookie(gateway)
    assert send(gateway, "GET /session/", cookie).status == 200
    auth.handles.clear()
    now = int(clock())
    with redis_client(redis_url) as redis:
        redis.xadd(STREAM, dict(Revocation(SESSION, auth.session, now, now + 300).to_fields().items()))
        deadline = time.monotonic() + WAIT
        while send(gateway, "GET /session/", cookie).status == 200 and time.monotonic() < deadline:
            time.sleep(0.02)
        redis.delete(STREAM)
    assert send(gateway, "GET /session/", cookie).status == 401
    assert send(gateway, "GET /api/x", cookie).status == 401
