"""The hosted pages of the stack of `make run`: log in by a form, use the API with the cookie, log out everywhere."""

import re
import time
from dataclasses import dataclass, field

import requests

from tests.auth_service.running_service import wait_until
from tests.system.support.running_stack import Account, RunningStack

COOKIE = "__Host-session"
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
REVOKED_WITHIN = 1.0
"""Seconds within which a log-out is effective at every gateway worker."""


@dataclass(slots=True)
class FormClient:
    """A browser without JavaScript. Its cookies are kept by hand: they are Secure, and the stack has no TLS."""

    stack: RunningStack
    cookies: dict[str, str] = field(default_factory=dict)

    def send(self, method: str, path: str, headers: dict[str, str] | None = None, **form: str) -> requests.Response:
        """Send a request on a connection of its own and keep the cookies of the response. Follow no redirect."""
        cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        fields = {**(cookie if self.cookies else {}), **(SAME_ORIGIN if headers is None else headers)}
        with requests.Session() as session:
            session.trust_env = False
            response = session.request(
                method, self.stack.url + path, headers=fields, data=form or None, allow_redirects=False, timeout=30
            )
        for name, value in re.findall(r"(?:^|, )([\w-]+)=([^;]*);", response.headers.get("Set-Cookie", "")):
            if value:
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        return response

    def log_in(self, account: Account, **form: str) -> requests.Response:
        """Send the log-in form."""
        credentials = {"email": account.email, "password": account.password}
        return self.send("POST", "/auth/login/", SAME_ORIGIN, **credentials, **form)


def test_a_form_logs_in_and_logs_out_everywhere(stack: RunningStack, account: Account) -> None:
    browser, phone = FormClient(stack), FormClient(stack)
    response = browser.log_in(account, next="/api/notes/")
    assert (response.status_code, response.headers["Location"]) == (303, "/api/notes/")
    assert "X-Session-Change" not in response.headers
    assert len(browser.cookies[COOKIE]) == 43
    assert browser.send("GET", "/api/notes/").status_code == 200
    assert "My account" in browser.send("GET", "/auth/account/").text
    phone.log_in(account)
    assert phone.send("GET", "/api/notes/").status_code == 200

    response = browser.send("POST", "/auth/account/sessions/end-all/", x="1")
    assert response.headers["Location"] == "/auth/login/?done=everywhere"
    assert COOKIE not in browser.cookies
    started = time.monotonic()
    wait_until(lambda: phone.send("GET", "/api/notes/").status_code == 401)
    assert time.monotonic() - started < REVOKED_WITHIN + 5


def test_a_log_in_ends_the_session_of_the_cookie(stack: RunningStack, account: Account) -> None:
    browser = FormClient(stack)
    browser.log_in(account)
    before = FormClient(stack, dict(browser.cookies))
    browser.log_in(account)
    assert browser.cookies[COOKIE] != before.cookies[COOKIE]
    wait_until(lambda: before.send("GET", "/api/notes/").status_code == 401)
    assert browser.send("GET", "/api/notes/").status_code == 200


def test_a_form_of_another_site_is_refused(stack: RunningStack, account: Account) -> None:
    browser = FormClient(stack)
    for headers in ({}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}):
        login = {"email": account.email, "password": account.password}
        response = browser.send("POST", "/auth/login/", headers, **login)
        assert (response.status_code, response.json()["code"]) == (403, "cross_site")
    assert browser.cookies == {}


def test_pages_have_the_headers_of_pages_behind_the_gateway(stack: RunningStack) -> None:
    headers = FormClient(stack).send("GET", "/auth/login/").headers
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
