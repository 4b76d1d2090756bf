"""The staff pages, a staff user's browser, and a user to manage."""

from dataclasses import dataclass

import pytest
from flask import Flask

from tests.auth_service.conftest import MakeApp
from tests.auth_service.pages.conftest import MakeBrowser, make_browser
from tests.auth_service.pages.page_browser import Page, PageBrowser
from tests.auth_service.world import Operator
from tests.clocks import MovableClock

__all__ = ["make_browser"]

STAFF = "/auth/staff/"
BOB = "bob@example.org"


@dataclass
class StaffPages:
    """The browser of a staff user at the staff pages."""

    app: Flask
    browser: PageBrowser
    clock: MovableClock

    @property
    def operator(self) -> Operator:
        """Return the operator of the service."""
        return Operator(self.app)

    def page_of(self, email: str, act: str = "") -> str:
        """Return the path of the page of a user, or of an act on the user."""
        return f"{STAFF}users/{self.operator.user(email).id}/{act}"

    def after_ten_minutes(self) -> None:
        """Let the time pass in which dangerous acts are possible."""
        self.clock.move(601)

    def confirm(self, page: Page, password: str = "Tr0ub4dor&3x") -> Page:
        """Enter the password on the page that asks for it."""
        sent = self.browser.post(f"{STAFF}confirm/", current_password=password, **page.hidden)
        return self.browser.page(sent.headers["Location"]) if sent.status_code == 303 else Page(sent.text)


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app(ADMIN_PAGES="on", PUBLIC_URL="https://notes.example.org")


@pytest.fixture
def staff_pages(app: Flask, make_browser: MakeBrowser, clock: MovableClock) -> StaffPages:
    """A staff user who is logged in; bob is a user."""
    browser = make_browser(app)
    browser.register(BOB)
    browser.send("/auth/account/log-out/")
    browser.register()
    Operator(app).grant("ann@example.org", "staff")
    browser.log_in()
    return StaffPages(app, browser, clock)
