"""The promises about refreshing, for httpx, httpx with asyncio, and requests."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from conftest import Clock, Start, wait_until
from fake_gateway import LOST_AFTER, LOST_BEFORE, FakeGateway

from sallyport_client import MemoryStore, NetworkError, RetryPolicy, Tokens

REFRESH = "/auth/jwt/refresh/"
OFFLINE = "http://127.0.0.1:1"


def test_requests_carry_the_token_of_the_log_in(client: Any, gateway: FakeGateway) -> None:
    """One log-in, and no refresh while the token is good."""
    assert client.send("GET", "/api/notes/").status == 200
    assert gateway.count(REFRESH) == 0


@pytest.mark.parametrize("refusal", ['Bearer realm="api", error="invalid_token"', 'Bearer realm="api"', ""])
def test_an_expired_token_is_refreshed_and_the_request_sent_again(
    client: Any, gateway: FakeGateway, refusal: str
) -> None:
    """Also by servers whose challenge names no error, as simplejwt's."""
    gateway.refusal = refusal
    gateway.expire_access_tokens()
    assert client.send("POST", "/api/notes/", content=b"one note").document == {"length": 8}
    assert gateway.count(REFRESH) == 1
    assert gateway.count("/api/notes/") == 2
    assert gateway.seen[-1].body == gateway.seen[-3].body


def test_twenty_requests_at_once_cause_one_refresh(client: Any, gateway: FakeGateway) -> None:
    """authlib#266: each request started a refresh of its own."""
    gateway.expire_access_tokens()
    gateway.refresh_seconds = 0.2
    assert {got.status for got in client.send_together(20, "/api/notes/")} == {200}
    assert gateway.count(REFRESH) == 1


def test_every_waiting_request_gets_its_refusal_when_the_session_has_ended(client: Any, gateway: FakeGateway) -> None:
    """axios-auth-refresh#14: those that waited hung for ever."""
    gateway.has_ended = True
    gateway.refresh_seconds = 0.1
    assert {got.status for got in client.send_together(10, "/api/notes/")} == {401}
    assert not client.auth.is_signed_in
    assert client.send("GET", "/api/notes/").status == 401
    assert gateway.count(REFRESH) == 1


def test_a_session_that_ended_is_announced_once(start: Start, gateway: FakeGateway) -> None:
    """`on_signed_out` is called for a 401 of the refresh, and not for the log-out of the user."""
    calls: list[bool] = []
    client = start(on_signed_out=lambda: calls.append(True))
    client.auth.log_in("ann@example.com", "right")
    client.auth.log_out()
    assert calls == []
    client.auth.log_in("ann@example.com", "right")
    gateway.has_ended = True
    client.send_together(5, "/api/notes/")
    assert calls == [True]


@pytest.mark.parametrize("status", [400, 403, 404, 408, 418])
def test_only_a_401_of_the_refresh_logs_out(client: Any, gateway: FakeGateway, status: int) -> None:
    """Other refusals are errors of that moment."""
    gateway.expire_access_tokens()
    gateway.faults[REFRESH] = [(status, {}, b"{}")]
    with pytest.raises(Exception, match=str(status)):
        client.send("GET", "/api/notes/")
    assert client.auth.is_signed_in
    assert client.send("GET", "/api/notes/").status == 200


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_no_status_of_a_request_logs_out(client: Any, gateway: FakeGateway, status: int) -> None:
    """A service of its own may refuse a good token; nothing is sent endlessly."""
    gateway.faults["/api/notes/"] = [(status, {}, b"{}")] * 3
    assert client.send("GET", "/api/notes/").status == status
    assert client.auth.is_signed_in
    assert gateway.count("/api/notes/") == (2 if status == 401 else 1)
    assert gateway.count(REFRESH) == (1 if status == 401 else 0)


def test_a_refusal_that_no_token_mends_is_returned_at_once(client: Any, gateway: FakeGateway) -> None:
    """RFC 9470: the user has to log in again; RFC 6750: the scope does not suffice."""
    gateway.faults["/api/notes/"] = [
        (401, {"WWW-Authenticate": 'Bearer error="insufficient_user_authentication"'}, b"{}")
    ]
    assert client.send("GET", "/api/notes/").status == 401
    assert gateway.count(REFRESH) == 0


def test_a_late_refusal_of_an_old_token_causes_no_refresh(client: Any, gateway: FakeGateway) -> None:
    """The request is sent again with the token that another request received meanwhile."""
    gateway.faults["/api/slow"] = [(401, {}, b"{}")]
    original = client.auth.renewal_after

    def refresh_first(refused: str | None) -> Any:
        if gateway.count(REFRESH) == 0:
            client.auth.refresh()
        return original(refused)

    client.auth.renewal_after = refresh_first
    assert client.send("GET", "/api/slow").status == 200
    assert gateway.count(REFRESH) == 1


@pytest.mark.parametrize("fault", [LOST_BEFORE, LOST_AFTER])
def test_a_lost_answer_of_the_refresh_is_waited_out(client: Any, gateway: FakeGateway, fault: str) -> None:
    """The same token is presented again; a server that forgives it returns the same successor."""
    gateway.expire_access_tokens()
    gateway.faults[REFRESH] = [fault] * 3
    assert client.send("GET", "/api/notes/").status == 200
    assert gateway.generation == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_refresh_waits_as_long_as_the_server_asks(
    start: Start, gateway: FakeGateway, clock: Clock, status: int
) -> None:
    """Retry-After of the refresh, in seconds or as a date, which counts from the server's own date."""
    client = start(clock=clock, sleep=clock.sleep, retry=RetryPolicy(total_seconds=60))
    client.auth.log_in("ann@example.com", "right")
    gateway.expire_access_tokens()
    date = {"Date": "Wed, 21 Oct 2015 07:28:00 GMT", "Retry-After": "Wed, 21 Oct 2015 07:28:09 GMT"}
    gateway.faults[REFRESH] = [(status, {"Retry-After": "7"}, b""), (status, date, b"")]
    assert client.send("GET", "/api/notes/").status == 200
    assert clock.slept == [7, 9]


def test_a_refresh_gives_up_after_the_time_of_the_policy(start: Start, gateway: FakeGateway, clock: Clock) -> None:
    """A Retry-After beyond the limit is not waited for, and the user stays logged in."""
    client = start(clock=clock, sleep=clock.sleep, retry=RetryPolicy(total_seconds=20))
    client.auth.log_in("ann@example.com", "right")
    gateway.expire_access_tokens()
    gateway.faults[REFRESH] = [(503, {"Retry-After": "15"}, b""), (503, {"Retry-After": "15"}, b"")]
    with pytest.raises(NetworkError, match="503"):
        client.send("GET", "/api/notes/")
    assert clock.slept == [15]
    assert client.auth.is_signed_in


def test_a_log_in_page_of_a_network_is_no_answer(client: Any, gateway: FakeGateway) -> None:
    """A captive portal answers every request with 200 or a redirect."""
    gateway.expire_access_tokens()
    gateway.faults[REFRESH] = [(200, {}, b"<html>Welcome!</html>"), (302, {"Location": "/welcome"}, b"")]
    assert client.send("GET", "/api/notes/").status == 200
    assert gateway.count("/welcome") == 0


def test_an_error_of_the_refresh_is_one_of_the_library(client: Any, gateway: FakeGateway) -> None:
    """Code that handles httpx.TransportError or requests.ConnectionError handles it."""
    import httpx
    import requests

    client.auth.retry = RetryPolicy(total_seconds=0)
    gateway.expire_access_tokens()
    gateway.faults[REFRESH] = [LOST_BEFORE]
    with pytest.raises((httpx.TransportError, requests.ConnectionError)) as raised:
        client.send("GET", "/api/notes/")
    assert isinstance(raised.value, NetworkError)
    assert raised.value.request is not None


def test_a_server_without_rotation_keeps_the_refresh_token(client: Any, gateway: FakeGateway) -> None:
    """djoser with ROTATE_REFRESH_TOKENS off returns an access token only."""
    gateway.rotates = False
    gateway.expire_access_tokens()
    assert client.send("GET", "/api/notes/").status == 200
    gateway.refused.add("1")
    assert client.send("GET", "/api/notes/").status == 200
    assert gateway.count(REFRESH) == 2


def test_a_token_is_refreshed_in_the_background_before_it_expires(
    start: Start, gateway: FakeGateway, clock: Clock
) -> None:
    """In its last 30 seconds, and requests do not wait for it."""
    client = start(clock=clock)
    client.auth.log_in("ann@example.com", "right")
    clock.now += 269
    client.send("GET", "/api/notes/")
    assert gateway.count(REFRESH) == 0
    clock.now += 2
    assert client.send("GET", "/api/notes/").status == 200
    wait_until(lambda: gateway.generation == 1)


def test_requests_wait_for_the_refresh_of_a_token_that_has_expired(
    start: Start, gateway: FakeGateway, clock: Clock
) -> None:
    """So that a body is not sent twice."""
    client = start(clock=clock)
    client.auth.log_in("ann@example.com", "right")
    clock.now += 301
    assert client.send("GET", "/api/notes/").status == 200
    assert gateway.count("/api/notes/") == gateway.count(REFRESH) == 1


@pytest.mark.parametrize("step", [-(10**8), 10**8])
def test_the_date_of_the_machine_does_not_matter(
    client: Any, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """google-auth refreshed endlessly, or never, with a wrong clock."""
    import time

    right = time.time
    # The gateway, in this process too, has read its clock.
    monkeypatch.setattr("fake_gateway.time", type("Clock", (), {"time": staticmethod(right), "sleep": time.sleep}))
    monkeypatch.setattr(time, "time", lambda: right() + step)
    for _ in range(3):
        assert client.send("GET", "/api/notes/").status == 200
    assert gateway.count(REFRESH) == 0
    gateway.expire_access_tokens()
    assert client.send("GET", "/api/notes/").status == 200
    assert gateway.count(REFRESH) == 1


def test_a_refresh_of_a_log_in_before_is_discarded(client: Any, gateway: FakeGateway) -> None:
    """simple-oauth2#88: a slow answer must not replace the tokens of the next user."""
    gateway.refresh_seconds = 0.3
    refresh = threading.Thread(target=client.auth.refresh)
    refresh.start()
    wait_until(lambda: gateway.count(REFRESH) == 1)
    client.auth.log_in("bob@example.com", "right")
    access = client.auth.access_token
    refresh.join()
    assert client.auth.access_token == access


def test_a_request_is_not_sent_again_as_another_user(client: Any, gateway: FakeGateway) -> None:
    """Its refusal arrives after another user has logged in."""
    gateway.faults["/api/notes/"] = [(401, {}, b"{}")]
    original = gateway.answer

    def log_in_first(seen: Any) -> Any:
        answer = original(seen)
        if seen.path == "/api/notes/" and gateway.session == 1:
            client.auth.log_in("bob@example.com", "right")
        return answer

    gateway.answer = log_in_first  # type: ignore[method-assign]
    assert client.send("POST", "/api/notes/", json={}).status == 401
    assert gateway.count("/api/notes/") == 1


def test_a_request_that_waits_for_a_server_does_not_go_on_as_another_user(
    start: Start, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user logs in during the pause after a 503."""
    client = start(sleep=lambda seconds: client.auth.log_in("bob@example.com", "right"))
    client.auth.log_in("ann@example.com", "right")

    async def async_sleep(seconds: float) -> None:
        client.auth.log_in("bob@example.com", "right")

    monkeypatch.setattr("sallyport_client.httpx.anyio.sleep", async_sleep)
    gateway.faults["/api/notes/"] = [(503, {"Retry-After": "1"}, b"{}")]
    assert client.send("GET", "/api/notes/").status == 503
    assert gateway.count("/api/notes/") == 1


def test_a_request_that_waits_for_a_refresh_does_not_begin_as_another_user(
    start: Start, gateway: FakeGateway, clock: Clock
) -> None:
    """Its user logs out, and another one logs in: it gets no token, and is refused."""
    client = start(clock=clock)
    client.auth.log_in("ann@example.com", "right")
    clock.now += gateway.lifetime
    gateway.refresh_seconds = 0.3
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(client.send, "POST", "/api/notes/", content=b"of ann")
        wait_until(lambda: gateway.count(REFRESH) == 1)
        client.auth.log_out()
        client.auth.log_in("bob@example.com", "right")
        assert answer.result().status == 401
    assert [seen.authorization for seen in gateway.seen if seen.path == "/api/notes/"] == [None]
    assert client.auth.is_signed_in


def test_a_refusal_after_a_log_out_is_not_reported_as_the_end_of_the_session(
    start: Start, gateway: FakeGateway
) -> None:
    """The user logged out while a refresh was under way."""
    reported: list[bool] = []
    client = start(on_signed_out=lambda: reported.append(True))
    client.auth.log_in("ann@example.com", "right")
    gateway.refresh_seconds = 0.3
    gateway.has_ended = True
    refresh = threading.Thread(target=client.auth.refresh)
    refresh.start()
    wait_until(lambda: gateway.count(REFRESH) == 1)
    client.auth.log_out()
    refresh.join()
    assert reported == []


def test_no_representation_shows_a_token() -> None:
    """They would end in logs."""
    tokens = Tokens("secret-access", "secret-refresh")
    assert "secret" not in f"{tokens} {tokens!r} {MemoryStore(tokens)!r}"
