"""The pages behind the pipeline of a gateway, with the clock of the test."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from tests.auth_service.gateway_in_front import GatewayInFront
from tests.auth_service.pages.page_browser import PageBrowser
from tests.clocks import MovableClock

MakeBrowser = Callable[..., PageBrowser]


@pytest.fixture
def make_browser(clock: MovableClock, valkey: str, tmp_path: Path) -> MakeBrowser:
    """Return a function that opens a browser in front of an app, by default with a gateway of its own."""

    def make(app: Flask, language: str = "en") -> PageBrowser:
        return PageBrowser(GatewayInFront(app.test_client(), clock, valkey, tmp_path), language)

    return make


@pytest.fixture
def browser(app: Flask, make_browser: MakeBrowser) -> PageBrowser:
    return make_browser(app)


@pytest.fixture
def other_browser(browser: PageBrowser) -> PageBrowser:
    """Another device of the same user, behind the same gateway."""
    phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Safari/604.1"
    return PageBrowser(browser.gateway, agent=phone)
