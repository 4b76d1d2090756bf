"""A log-in in front of two foreign apps: a Flask app with sessions of its own, and a static site."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from stack.plan import ROOT
from tests.system.support.foreign_apps import PAGE, serve_foreign_apps
from tests.system.support.running_stack import Account, RunningStack, run_stack

DEEP_LINK = "/d/cpu?orgId=1&from=now-6h&var-host=a%2Fb&q=x+y"
ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture(scope="module")
def front(databases: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    folder = tmp_path_factory.mktemp("front")
    with serve_foreign_apps(folder) as tables:
        routes = folder / "routes.toml"
        routes.write_text((ROOT / "gateway" / "routes.toml").read_text() + tables)
        settings = {"GATEWAY_ROUTES": str(routes), "SESSION_COOKIE_SECURE": "off", "GATEWAY_WORKERS": "2"}
        with run_stack(databases, AUTH_WORKERS="1", **settings) as running:
            yield running


@dataclass(slots=True)
class Browser:
    """A browser with its own cookies. It follows no redirect by itself, so that tests see each one."""

    url: str
    http: requests.Session = field(default_factory=requests.Session)

    def open(self, target: str, *, site: str = "none") -> requests.Response:
        """Open a page, as by the address bar or a link of `site`."""
        fetch = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": site}
        return self._send("GET", target, {"Accept": ACCEPT, **fetch})

    def fetch(self, target: str) -> requests.Response:
        """Call an endpoint, as a script of the page does."""
        return self._send("GET", target, {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin", "Accept": "*/*"})

    def submit(self, target: str, origin: str | None = None, **form: str) -> requests.Response:
        """Submit an HTML form of the page."""
        site = "same-origin" if origin is None else "cross-site"
        fields = {"Origin": origin or self.url, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": site}
        return self._send("POST", target, fields, data=form)

    def log_in(self, account: Account) -> None:
        """Send what the log-in page sends."""
        document = {"email": account.email, "password": account.password}
        response = self._send("POST", "/session/", self._page_fields(), json=document)
        assert response.status_code == 200, response.text

    def log_out(self) -> None:
        """End the session, as a page does."""
        assert self._send("DELETE", "/session/", self._page_fields()).status_code == 204

    def _page_fields(self) -> dict[str, str]:
        return {"Origin": self.url, "X-Requested-With": "fetch"}

    def _send(self, method: str, target: str, headers: dict[str, str], **parts: Any) -> requests.Response:
        self.http.trust_env = False
        return self.http.request(
            method, self.url + target, headers=headers, timeout=30, allow_redirects=False, **parts
        )


@pytest.fixture
def browser(front: RunningStack) -> Iterator[Browser]:
    browser = Browser(front.url)
    yield browser
    browser.http.close()


def next_in(response: requests.Response) -> str:
    """Return the `next` that the log-in page reads."""
    assert response.status_code == 303, response.text
    location = urlsplit(response.headers["Location"])
    assert (location.netloc, location.path) == ("", "/auth/login/")
    (target,) = parse_qs(location.query)["next"]
    return target


def test_a_deep_link_leads_to_the_log_in_page_and_back(front: RunningStack, browser: Browser) -> None:
    account = front.register()
    target = next_in(browser.open(DEEP_LINK))
    assert target == DEEP_LINK
    browser.log_in(account)
    shown = browser.open(target, site="same-origin").json()
    assert shown["query"] == "orgId=1&from=now-6h&var-host=a%2Fb&q=x+y"
    assert shown["asserted"] == account.email
    assert shown["remote_user"] == [account.email]
    assert shown["groups"] is None  # a new account has no roles
    assert shown["authorization"] is None
    assert not [name for name in shown["cookies"] if "session" in name and name != "session"]
    browser.log_out()
    assert next_in(browser.open(DEEP_LINK)) == DEEP_LINK
    assert browser.fetch(DEEP_LINK).status_code == 401
    browser.log_in(account)
    assert browser.open(target).status_code == 200


@pytest.mark.parametrize("target", [DEEP_LINK, "/d/x?u=https://evil.example/&n=%2Fd%2Fy", "/site/index.html"])
def test_the_hosted_log_in_page_leads_back(front: RunningStack, browser: Browser, target: str) -> None:
    account = front.register()
    location = browser.open(target).headers["Location"]
    page = browser.open(location, site="same-origin")
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert f'name="next" value="{escape(target)}"' in page.text
    sent = browser.submit("/auth/login/", email=account.email, password=account.password, next=target)
    assert (sent.status_code, sent.headers["Location"]) == (303, target)
    assert browser.open(target, site="same-origin").status_code == 200


def test_an_app_keeps_its_own_session_and_its_forms_work(front: RunningStack, browser: Browser) -> None:
    browser.log_in(front.register())
    assert [browser.open("/d/x").json()["visits"] for _ in range(3)] == [1, 2, 3]
    saved = browser.submit("/draft", text="Chapter two")
    assert (saved.status_code, saved.headers["Location"]) == (303, "/d/draft")
    shown = browser.open("/d/draft").json()
    assert (shown["draft"], shown["visits"], shown["cookies"]) == ("Chapter two", 4, ["session"])


def test_a_form_of_another_site_is_refused(front: RunningStack, browser: Browser) -> None:
    browser.log_in(front.register())
    assert browser.submit("/draft", origin="https://evil.example", text="x").status_code == 403
    assert browser.open("/d/draft").json()["draft"] is None


def test_a_form_that_is_sent_after_the_log_out_gets_401(front: RunningStack, browser: Browser) -> None:
    browser.log_in(front.register())
    browser.log_out()
    response = browser.submit("/draft", text="lost")
    assert (response.status_code, response.json()["code"]) == (401, "no_credentials")


def test_a_session_that_is_ended_on_another_device_is_redirected(front: RunningStack, browser: Browser) -> None:
    """On both workers, and for pages only; the app's own cookie is no reason to admit the request."""
    account = front.register()
    browser.log_in(account)
    assert browser.open(DEEP_LINK).status_code == 200
    access = front.login(account).access
    assert front.send("POST", "/auth/sessions/logout-all/", access).status_code == 204
    _wait_until_refused(browser)
    for _ in range(6):
        assert next_in(browser.open(DEEP_LINK)) == DEEP_LINK
        assert browser.fetch(DEEP_LINK).status_code == 401
    browser.log_in(account)
    assert browser.open(DEEP_LINK).status_code == 200


def test_a_static_site_needs_a_log_in(front: RunningStack, browser: Browser) -> None:
    assert next_in(browser.open("/site/")) == "/site/"
    assert browser.fetch("/site/index.html").status_code == 401
    browser.log_in(front.register())
    page = browser.open("/site/")
    assert (page.status_code, page.text) == (200, PAGE)
    browser.log_out()
    assert next_in(browser.open("/site/index.html?x=1")) == "/site/index.html?x=1"


def test_a_link_in_a_mail_opens_the_page_of_a_user_who_is_logged_in(front: RunningStack, browser: Browser) -> None:
    """The browser sends no SameSite=Strict cookie with the first request, and sends it with the second."""
    browser.log_in(front.register())
    elsewhere = Browser(front.url)
    first = elsewhere.open(DEEP_LINK, site="cross-site")
    assert first.status_code == 401
    assert f'http-equiv="refresh" content="0;url={escape(DEEP_LINK)}"' in first.text
    assert browser.open(DEEP_LINK, site="same-origin").status_code == 200
    assert next_in(elsewhere.open(DEEP_LINK, site="same-origin")) == DEEP_LINK
    elsewhere.http.close()


def test_forged_identity_headers_do_not_reach_the_app(front: RunningStack, browser: Browser) -> None:
    account = front.register()
    browser.log_in(account)
    for name in ("Remote-User", "REMOTE-USER", "Remote_User", "X-Forwarded-Groups", "x_forwarded_groups"):
        browser.http.headers[name] = "root"
    shown = browser.open("/d/x").json()
    assert (shown["remote_user"], shown["groups"]) == ([account.email], None)


def _wait_until_refused(browser: Browser) -> None:
    """Wait until both workers know that the session has ended, which takes at most a second."""
    refused = 0
    for _ in range(2_000):
        refused = refused + 1 if browser.fetch("/d/x").status_code == 401 else 0
        if refused == 20:
            return
    pytest.fail("the session is still live")
