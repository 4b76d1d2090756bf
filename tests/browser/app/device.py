"""The app on one device: a browser profile with its tabs, and a record of what they sent and wrote."""

import json
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Locator, Page, Request, Route, expect

from stack.plan import ROOT
from tests.browser.visitor import WAIT_MILLISECONDS
from tests.system.support.running_stack import Account

Mode = Literal["token", "cookie"]
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 800}
REFRESH = "/auth/jwt/refresh/"
KIT = ROOT / "client" / "packages" / "client" / "dist"
KIT_PAGE = """<!doctype html><title>kit</title><link rel="icon" href="data:,"><script type="module">
import { createClient } from "./index.js";
window.client = createClient({ url: location.origin, mode: "token" });
await client.ready;
document.title = client.session.current.status;
</script>"""
TOKEN_MODE = """addEventListener("readystatechange", () => {
    const mode = document.querySelector("meta[name=sallyport-mode]");
    if (mode) mode.content = "token";
}, { capture: true, once: true });"""
"""Changes index.html before its module scripts run, as one may change the built file."""
EXPIRED_TOKEN = {"X-Sallyport-Fault": "expired-token"}
"""Lets the access token of a request count as expired (docs/development.md)."""
BROWSER_MESSAGE = "Failed to load resource"
"""What Chromium itself writes about a response of 400 or more, or a lost connection."""


@dataclass(slots=True)
class Tab:
    """One tab of the app."""

    url: str
    page: Page

    @property
    def view(self) -> Locator:
        """The page that Ionic shows; it keeps the others in the document."""
        return self.page.locator("ion-router-outlet > .ion-page:not(.ion-page-hidden)")

    def go(self, path: str) -> None:
        """Open a path below /app/ by a full load of the document."""
        self.page.goto(f"{self.url}/app{path}")

    def expect_heading(self, name: str) -> None:
        """Wait until the page with the heading is the only one that is shown: during an animation there are two."""
        expect(self.view.get_by_role("heading", name=name, exact=True)).to_be_visible()
        expect(self.view).to_have_count(1)  # in this order: before the animation, the former page is the only one

    def expect_home(self, account: Account | None = None) -> None:
        """Wait for the home page, and for the address of the account on it."""
        self.expect_heading("Info about me")
        if account:
            expect(self.view.get_by_text(account.email)).to_be_visible()

    def expect_log_in(self, reason: str = "") -> None:
        """Wait for the log-in page, and check the reason that it gives."""
        self.expect_heading("Log in")
        if reason:
            expect(self.view.get_by_role("status").filter(has_text=reason)).to_be_visible()

    @property
    def problem(self) -> Locator:
        """What is wrong with a form as a whole."""
        return self.view.locator("app-form-message").get_by_role("alert")

    def field(self, label: str) -> Locator:
        """The input element with the label."""
        return self.view.get_by_label(label, exact=True)

    def press(self, name: str) -> None:
        """Press the button of the shown page."""
        self.view.get_by_role("button", name=name, exact=True).click()

    def fill(self, **values: str) -> None:
        """Fill in fields by the names that the server has for them."""
        for name, value in values.items():
            self.view.locator(f"input[name={name}]").first.fill(value)

    def log_in(self, account: Account) -> None:
        """Fill in and send the form of the log-in page."""
        self.fill(email=account.email, password=account.password)
        self.press("Log in")

    def log_out(self) -> None:
        """Press the button of the home page."""
        self.press("Log out")
        self.expect_log_in("You are logged out.")

    def expect_notice(self, text: str) -> None:
        """Wait for a notice at the end of the page, and close it."""
        notice = self.page.locator("ion-toast").filter(has_text=text)
        expect(notice).to_be_visible()
        notice.evaluate("toast => toast.dismiss()")
        expect(notice).to_have_count(0)

    def save_name(self, name: str) -> None:
        """Change the first name on the settings page: one request that needs the session."""
        self.fill(first_name=name)
        self.press("Save name")

    def stored(self) -> dict[str, Any]:
        """Return the session in the browser's storage; empty if there is none."""
        session = json.loads(self.page.evaluate("localStorage.getItem('sallyport')") or "null")
        return session or {}

    def expect_focus(self, name: str) -> None:
        """Wait until this field has the focus, and the page is drawn."""
        expect(self.view.locator(f"input[name={name}]")).to_be_focused()
        self.page.evaluate("new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))")

    def expect_errors(self, **texts: str | re.Pattern[str]) -> None:
        """Wait until these fields and no others are wrong, each with its text below it."""
        expect(self.view.locator("input[aria-invalid=true]")).to_have_count(len(texts))
        for name, text in texts.items():
            field = self.view.locator(f"input[name={name}][aria-invalid=true]")
            expect(field).to_have_accessible_description(text)


@dataclass(slots=True)
class Device:
    """One browser profile. Its records are of all its tabs."""

    url: str
    context: BrowserContext
    mode: Mode
    requests: list[Request] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    """What was written to the console, apart from Chromium's own messages."""
    errors: list[Error] = field(default_factory=list)
    """Exceptions that no code caught."""

    def open(self, path: str = "/home") -> Tab:
        """Open the app in a new tab."""
        tab = Tab(self.url, self.context.new_page())
        tab.go(path)
        return tab

    def log_in(self, account: Account, path: str = "/home") -> Tab:
        """Open a page that needs a log-in, in a new tab, and log in."""
        tab = self.open(path)
        tab.expect_log_in()
        tab.log_in(account)
        if path == "/home":
            tab.expect_home(account)
        return tab

    def open_kit(self) -> Page:
        """Open a page with `client`, of @sallyport/client, in a new tab. It shares the session with the app."""
        page = self.context.new_page()
        page.route(f"{self.url}/kit/**", _answer_with_kit)
        page.goto(f"{self.url}/kit/index.html")
        expect(page).to_have_title("signed-in")
        return page

    def expire_token(self, tab: Tab) -> None:
        """Let the present access token count as expired; in cookie mode, each that the gateway has."""
        expired = f"Bearer {tab.stored().get('access')}"

        def add_fault(route: Route) -> None:
            headers = route.request.headers
            is_expired = self.mode == "cookie" or headers.get("authorization") == expired
            route.continue_(headers={**headers, **EXPIRED_TOKEN} if is_expired else headers)

        self.context.route(re.compile(f"^{re.escape(self.url)}/(api|auth|session)/"), add_fault)

    def count(self, method: str, path: str) -> int:
        """Return how many requests were sent to the path."""
        return sum(request.method == method and request.url == self.url + path for request in self.requests)

    def check(self) -> None:
        """Check the promises that hold for every page: nothing logged, no error, nothing sent to other origins."""
        assert not self.messages
        assert not self.errors
        urls = {request.url for request in self.requests}
        foreign = {url for url in urls if not url.startswith((f"{self.url}/", "data:", "blob:"))}
        assert not foreign
        assert not {url for url in urls if "eyJ" in url}, "a token in a URL"
        if self.mode == "cookie":
            assert not [one.url for one in self.requests if "authorization" in one.headers]


def new_device(
    browser: Browser, url: str, mode: Mode, language: str = "en-GB", viewport: dict[str, int] | None = None
) -> Device:
    """Open a browser profile of its own, on a phone unless `viewport` says otherwise."""
    size = viewport or PHONE
    context = browser.new_context(
        locale=language,
        viewport={"width": size["width"], "height": size["height"]},
        reduced_motion="reduce",
        service_workers="block",
    )
    context.set_default_timeout(WAIT_MILLISECONDS)
    device = Device(url, context, mode)

    def note(message: ConsoleMessage) -> None:
        if not message.text.startswith(BROWSER_MESSAGE):
            device.messages.append(message.text)

    context.on("console", note)
    context.on("weberror", lambda error: device.errors.append(error.error))
    context.on("request", lambda request: device.requests.append(request))
    if mode == "token":
        context.add_init_script(TOKEN_MODE)
    return device


def _answer_with_kit(route: Route) -> None:
    name = route.request.url.partition("/kit/")[2]
    if name == "index.html":
        route.fulfill(body=KIT_PAGE, content_type="text/html")
    else:
        route.fulfill(path=KIT / name, content_type="text/javascript")
