"""/docs/ in Chromium: readable for everybody, nothing from other hosts, and requests in both modes."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.browser.visitor import DESKTOP, Visitor, visit
from tests.system.support.running_stack import RunningStack

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def plain_url(plain_stack: RunningStack) -> str:
    """The URL of the gateway by a name for which Chromium stores Secure cookies without TLS."""
    return plain_stack.url.replace("127.0.0.1", "localhost")


@pytest.fixture
def visitor(chromium: Browser, plain_url: str) -> Iterator[Visitor]:
    visitor = visit(chromium, plain_url, language="en", has_script=True, name="docs")
    requested: list[str] = []
    visitor.page.on("request", lambda request: requested.append(request.url))
    visitor.page.goto(f"{plain_url}/docs/")
    visitor.page.locator(".opblock").first.wait_for()
    yield visitor
    assert not visitor.refusals
    assert [url for url in requested if not url.startswith((plain_url, "data:"))] == []
    visitor.context.close()


def opened(visitor: Visitor, operation: str) -> Locator:
    """Open an operation and return it."""
    block = visitor.page.locator(f"#{operation}")
    block.locator(".opblock-summary-control").click()
    block.locator("button.execute").wait_for()
    return block


def send(block: Locator, body: str = "") -> None:
    """Send the request of an operation, with this body if it has one."""
    if body:
        block.locator("textarea.body-param__text").fill(body)
    block.locator("button.execute").click()


def expect_status(block: Locator, status: int) -> None:
    expect(block.locator(".live-responses-table .response-col_status").last).to_contain_text(str(status))


@pytest.mark.parametrize("width", ["phone", "desktop"])
def test_the_page_is_readable_for_everybody(visitor: Visitor, width: str) -> None:
    if width == "desktop":
        visitor.page.set_viewport_size(DESKTOP)
    visitor.check()
    opened(visitor, "operations-Tokens-postLogIn")
    visitor.check()


def test_a_log_in_with_tokens_authenticates_the_following_requests(
    visitor: Visitor, plain_stack: RunningStack
) -> None:
    account = plain_stack.register()
    body = f'{{"email": "{account.email}", "password": "{account.password}"}}'
    log_in = opened(visitor, "operations-Tokens-postLogIn")
    send(log_in, body)
    expect_status(log_in, 200)
    whoami = opened(visitor, "operations-Identity-whoami")
    send(whoami)
    expect_status(whoami, 200)
    expect(whoami.locator(".live-responses-table")).to_contain_text(account.email)


def test_a_log_in_with_the_cookie_authenticates_requests_that_change_something(
    visitor: Visitor, plain_stack: RunningStack
) -> None:
    account = plain_stack.register()
    body = f'{{"email": "{account.email}", "password": "{account.password}"}}'
    log_in = opened(visitor, "operations-Browser_sessions-openSession")
    send(log_in, body)
    expect_status(log_in, 200)
    create = opened(visitor, "operations-Notes-createNote")
    send(create, '{"title": "Bread"}')
    expect_status(create, 201)
