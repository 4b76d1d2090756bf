"""The default limits, through the gateway, the auth service and the resource service."""

import pytest

from tests.system.support.raw_http import send_raw
from tests.system.support.running_stack import Account, RunningStack

FROM_OUR_PAGE = {"X-Requested-With": "app", "Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def ann(strict_stack: RunningStack) -> Account:
    return strict_stack.register()


def test_password_guessing_is_throttled_and_other_users_are_not(strict_stack: RunningStack, ann: Account) -> None:
    """Both log-in endpoints count together, and forwarding headers of a client do not change its address."""
    tokens = strict_stack.login(ann)
    wrong, right = ({"email": ann.email, "password": password} for password in ("wrong", ann.password))
    login_endpoints = [("/auth/jwt/create/", {}), ("/session/", FROM_OUR_PAGE)]
    for number in range(10):
        path, headers = login_endpoints[number % 2]
        assert strict_stack.send("POST", path, json=wrong, headers=headers).status_code == 401
    for path, headers in login_endpoints:
        spoofed = {"X-Forwarded-For": "198.51.100.9", "Forwarded": "for=198.51.100.9"}
        refused = strict_stack.send("POST", path, json=right, headers={**headers, **spoofed})
        assert refused.status_code == 429
        # Until the window of 300 seconds ends, and up to 10 random seconds more.
        assert 1 <= int(refused.headers["Retry-After"]) <= 310
        assert refused.json()["code"] == "throttled"
    strict_stack.refresh(tokens)
    strict_stack.login(strict_stack.register())


def test_an_address_has_a_high_rate_limit_shown_in_the_response(strict_stack: RunningStack, ann: Account) -> None:
    """Refreshes have no rate limit, so their responses have no RateLimit field."""
    response = strict_stack.send("POST", "/auth/jwt/create/", json={"email": ann.email, "password": ann.password})
    assert response.headers["RateLimit-Policy"] == '"address-60s";q=30000;w=60'
    assert response.headers["RateLimit"].startswith('"address-60s";r=2')  # under 30,000 requests remain
    refreshed = strict_stack.try_refresh(response.json()["refresh"])
    assert refreshed.status_code == 200
    assert "RateLimit" not in refreshed.headers


def test_services_accept_every_request_size_that_the_gateway_admits(strict_stack: RunningStack, ann: Account) -> None:
    """Up to the gateway's limits the service responds with 200; above them the gateway responds with 414 or 431."""
    tokens = strict_stack.login(ann)
    bearer = f"Authorization: Bearer {tokens.access}"
    # (fields beside the five that each request has, bytes of the cookie): at most 100 fields and 32 KiB are admitted.
    for fields, cookie in ((90, 100), (94, 100), (95, 9_000), (40, 29_000)):
        lines = (*[f"X-{number}: y" for number in range(fields)], f"Cookie: a={'c' * cookie}", bearer)
        for path in ("/api/whoami", "/auth/users/me/"):
            response = send_raw(strict_stack.url, f"GET {path}?{'q' * 7_900} HTTP/1.1", *lines)
            assert (response.status, response.fields["content-type"]) == (200, "application/json"), (fields, cookie)
    for line, header in ((f"GET /api/whoami?{'q' * 8_000} HTTP/1.1", ""), ("GET /api/whoami HTTP/1.1", "x" * 33_000)):
        response = send_raw(strict_stack.url, line, f"X: {header}", bearer)
        assert (response.status in (414, 431), response.fields["content-type"]) == (True, "application/problem+json")
