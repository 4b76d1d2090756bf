"""The auth service stopped, and its workers killed between commit and response."""

import secrets
import time
from pathlib import Path

from tests.faults.eventually import eventually
from tests.faults.figures import Say
from tests.faults.forged import at_another_time, claims_of
from tests.faults.running_system import RunningSystem
from tests.faults.steady_traffic import BROWSER, COOKIE, LOGIN, REFRESH, WHOAMI, SteadyTraffic, open_browser_session
from tests.system.running_stack import Client, Tokens

AN_HOUR = 3600
DEATHS = 20


def test_without_the_auth_service_good_tokens_go_on(system: RunningSystem, traffic: SteadyTraffic, say: Say) -> None:
    """/auth/ is a 503 with Retry-After, and requests that need a refresh, too; nobody is logged out."""
    client = system.client()
    account = client.register()
    tokens = client.login(account)
    cookie = {"Cookie": f"{COOKIE}={open_browser_session(client, account)}"}
    expired = at_another_time(system, tokens.access, -AN_HOUR)
    system.auth.kill()
    began = time.monotonic()
    time.sleep(0.5)  # what was under way when it died
    away = traffic.run_for(3)
    to_be_refreshed = client.whoami(expired, headers={"X-Refresh-Token": tokens.refresh})
    unseen = {"Cookie": f"{COOKIE}={secrets.token_urlsafe(32)}"}  # of a handle's form: the auth service has to say
    unknown_handle = client.send("GET", "/session/", headers=unseen)
    logout = client.send(
        "DELETE", "/session/", headers={**cookie, "X-Requested-With": "t", "Sec-Fetch-Site": "same-origin"}
    )
    registration = client.send("POST", "/auth/users/", json={})
    for answer in (to_be_refreshed, unknown_handle, logout, registration):
        assert answer.status_code == 503, answer.text
        assert 1 <= int(answer.headers["Retry-After"]) <= 12
    assert logout.headers.get("Set-Cookie") is None
    system.start_auth()
    recovered = eventually(lambda: traffic.run_for(0.5).statuses() == {200})
    assert client.whoami(expired, headers={"X-Refresh-Token": tokens.refresh}).status_code == 200
    assert client.send("GET", "/session/", headers=cookie).status_code == 200
    say(f"{traffic.since(began)}; all well {recovered:.1f} s after its return")
    assert away.statuses(WHOAMI, BROWSER) == {200}, away.wrong()
    assert away.statuses(REFRESH, LOGIN) == {503}, away.wrong()
    assert all(answer.retry_after for answer in away.answers(503))


def test_a_refresh_that_was_committed_and_never_answered_is_had_by_asking_again(
    system: RunningSystem, tmp_path: Path, say: Say
) -> None:
    """The worker dies by SIGKILL between commit and response, twenty times: a retry receives the successor."""
    wish = tmp_path / "wish"
    app = "tests.faults.dying_auth:create_app()"
    with (
        system.another_auth("dying", app, AUTH_WORKERS="2", DEATH_WISH=str(wish)) as (dying, auth_url),
        system.another_gateway("front", AUTH_URL=auth_url) as (_, url),
    ):
        client = Client(url)
        account = client.register()
        statuses, quick = set(), 0
        for _ in range(DEATHS):
            before = client.login(account)
            wish.touch()
            statuses.add(client.try_refresh(before.refresh).status_code)
            assert not wish.exists()
            # A dying process closes its connections one by one: who is quick may meet another of them.
            answer = client.try_refresh(before.refresh)
            while answer.status_code == 502:
                quick += 1
                answer = client.try_refresh(before.refresh)
            assert answer.status_code == 200, answer.text
            after = Tokens(answer.json()["access"], answer.json()["refresh"])
            assert claims_of(after.refresh)["sid"] == claims_of(before.refresh)["sid"]
            assert claims_of(after.refresh)["generation"] == 1
            assert client.whoami(after.access).status_code == 200
            assert claims_of(client.refresh(after).refresh)["generation"] == 2
            eventually(lambda: len(dying.workers) == 2)
    say(f"{DEATHS} workers killed after commit: first answers {statuses}, then the successor ({quick} at once)")
    assert quick < DEATHS / 2
    assert statuses <= {502, 503}
