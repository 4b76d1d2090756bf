"""The auth service is stopped, or its workers are killed between a commit and the response."""

import secrets
import time
from pathlib import Path

from tests.faults.support.figures import AddFigure
from tests.faults.support.polling import wait_until
from tests.faults.support.running_system import RunningSystem
from tests.faults.support.shifted_tokens import shift_timestamps, unverified_claims
from tests.faults.support.steady_traffic import (
    BROWSER,
    COOKIE,
    LOGIN,
    REFRESH,
    WHOAMI,
    SteadyTraffic,
    open_browser_session,
)
from tests.system.support.running_stack import Client, Tokens

HOUR = 3600
"""Seconds."""
CRASHES = 20
"""Workers that are killed, one after the other."""


def test_valid_tokens_and_cookies_work_while_the_auth_service_is_down(
    system: RunningSystem, traffic: SteadyTraffic, add_figure: AddFigure
) -> None:
    """Requests under /auth/, and those that need a refresh, get 503 with Retry-After. No session ends."""
    client = system.client()
    account = client.register()
    tokens = client.login(account)
    cookie = {"Cookie": f"{COOKIE}={open_browser_session(client, account)}"}
    expired = shift_timestamps(system, tokens.access, -HOUR)
    system.auth.kill()
    began = time.monotonic()
    time.sleep(0.5)  # until requests in progress at the kill have ended
    outage = traffic.run_for(3)
    needs_refresh = client.whoami(expired, headers={"X-Refresh-Token": tokens.refresh})
    # Well-formed, so the gateway must send it to the auth service.
    unknown_cookie = {"Cookie": f"{COOKIE}={secrets.token_urlsafe(32)}"}
    unknown_handle = client.send("GET", "/session/", headers=unknown_cookie)
    logout = client.send(
        "DELETE", "/session/", headers={**cookie, "X-Requested-With": "t", "Sec-Fetch-Site": "same-origin"}
    )
    registration = client.send("POST", "/auth/users/", json={})
    for response in (needs_refresh, unknown_handle, logout, registration):
        assert response.status_code == 503, response.text
        assert 1 <= int(response.headers["Retry-After"]) <= 12  # an open circuit: 6 s, at most doubled by jitter
    assert logout.headers.get("Set-Cookie") is None
    system.start_auth()
    recovery_seconds = wait_until(lambda: traffic.run_for(0.5).statuses() == {200})
    assert client.whoami(expired, headers={"X-Refresh-Token": tokens.refresh}).status_code == 200
    assert client.send("GET", "/session/", headers=cookie).status_code == 200
    add_figure(f"{traffic.since(began)}; all 200 again {recovery_seconds:.1f} s after its restart")
    assert outage.statuses(WHOAMI, BROWSER) == {200}, outage.failures()
    assert outage.statuses(REFRESH, LOGIN) == {503}, outage.failures()
    assert all(response.retry_after for response in outage.responses(503))


def test_a_retried_refresh_returns_the_successor_if_the_worker_died_after_its_commit(
    system: RunningSystem, tmp_path: Path, add_figure: AddFigure
) -> None:
    """Twenty times, a worker is killed by SIGKILL between its commit and its response."""
    crash_file = tmp_path / "crash"
    app = "tests.faults.support.crashing_auth_service:create_app()"
    with (
        system.extra_auth_service("crashing", app, AUTH_WORKERS="2", CRASH_FILE=str(crash_file)) as (auth, auth_url),
        system.extra_gateway("front", AUTH_URL=auth_url) as (_, url),
    ):
        client = Client(url)
        account = client.register()
        statuses, retries = set(), 0
        for _ in range(CRASHES):
            before = client.login(account)
            crash_file.touch()
            statuses.add(client.try_refresh(before.refresh).status_code)
            assert not crash_file.exists()
            # A killed process's connections close one by one: a quick retry may use another of them and get 502.
            response = client.try_refresh(before.refresh)
            while response.status_code == 502:
                retries += 1
                response = client.try_refresh(before.refresh)
            assert response.status_code == 200, response.text
            after = Tokens(response.json()["access"], response.json()["refresh"])
            assert unverified_claims(after.refresh)["sid"] == unverified_claims(before.refresh)["sid"]
            assert unverified_claims(after.refresh)["generation"] == 1
            assert client.whoami(after.access).status_code == 200
            assert unverified_claims(client.refresh(after).refresh)["generation"] == 2
            wait_until(lambda: len(auth.workers) == 2)
    add_figure(
        f"{CRASHES} workers killed after commit: first {statuses}, then the successor; {retries} retries got 502"
    )
    assert retries < CRASHES / 2
    assert statuses <= {502, 503}
