"""A browser lets pages of an Ionic app send every request of these clients, and read every response."""

from pathlib import Path

import pytest
import requests

from tests.clients.backends import FORBIDDEN_PATH, Backend
from tests.clients.browser_rules import blocked, readable
from tests.clients.scenarios import five_at_expiry, stage

ORIGINS = ("http://localhost:8100", "capacitor://localhost")
"""The development server of Ionic, and an app on iOS."""
CLIENTS = ("axios-auth-refresh", "axios-jwt", "ky", "ofetch", "rtk-query", "article", "nuxt-auth")
"""Clients whose requests are sent by pages. next-auth sends its own from its server."""

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("name", CLIENTS)
def test_no_request_of_a_client_is_blocked(name: str, backend: Backend, folder: Path) -> None:
    """Registration, log-in, refresh, expired and refused requests, log-out; with `credentials: "include"` too."""
    with stage(name, backend, folder, patience=4) as play:
        registration = list(play.proxy.exchanges)
        five_at_expiry(play)
        play.client.request(FORBIDDEN_PATH)
        play.client.call("logOut")
        exchanges = registration + play.proxy.exchanges
    paths = {exchange.path for exchange in exchanges}
    assert {"/auth/users/", "/auth/users/me/", "/auth/jwt/refresh/"} <= paths
    for exchange in exchanges:
        for origin in ORIGINS:
            assert not blocked(backend.url, origin, exchange)
            assert not blocked(backend.url, origin, exchange, credentials=True)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example:8100"])
def test_a_page_of_another_origin_is_blocked(origin: str, backend: Backend, folder: Path) -> None:
    with stage("ky", backend, folder) as play:
        play.client.request()
        assert all(blocked(backend.url, origin, exchange) for exchange in play.proxy.exchanges)


@pytest.mark.parametrize("origin", ORIGINS)
def test_a_page_can_read_why_and_until_when_it_is_refused(origin: str, backend: Backend) -> None:
    response = requests.get(f"{backend.url}/auth/users/me/", headers={"Origin": origin}, timeout=30)
    assert response.status_code == 401
    assert all(readable(response, name) for name in ("WWW-Authenticate", "Retry-After", "X-Request-Id"))
