"""Access tokens that expire: one refresh, no lost request, nobody logged out."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Response, Route, expect

from tests.browser.app.conftest import NewDevice, wait_for_expiry
from tests.browser.app.device import REFRESH, Mode
from tests.system.support.running_stack import RunningStack

pytestmark = pytest.mark.timeout(300)
SAVED = "Your name was saved."
FETCH_FIVE = """() => Promise.all([1, 2, 3, 4, 5].map(async number => {
    const response = await client.fetch(`/api/whoami?number=${number}`);
    return [response.status, (await response.json()).email];
}))"""
QUIET = "/settings"
"""A page without a stream, which would ask for a new token by itself."""


def test_five_parallel_requests_with_an_expired_token_have_one_refresh_and_five_answers(
    new: NewDevice, plain_stack: RunningStack
) -> None:
    account = plain_stack.register()
    device = new(plain_stack.url, "token")
    tab = device.log_in(account, QUIET)
    tab.expect_heading("Settings")
    kit = device.open_kit()
    expired = tab.stored()
    device.expire_token(tab)
    before = device.count("POST", REFRESH)
    assert kit.evaluate(FETCH_FIVE) == [[200, account.email]] * 5
    assert device.count("POST", REFRESH) == before + 1
    assert sum("/api/whoami" in request.url for request in device.requests) == 10, "each was sent twice"
    # The tab of the app has the new tokens as well.
    assert tab.stored()["access"] != expired["access"]
    assert tab.stored()["refresh"] != expired["refresh"]


def test_an_expired_token_is_not_noticed(new: NewDevice, plain_stack: RunningStack, mode: Mode) -> None:
    account = plain_stack.register()
    device = new(plain_stack.url, mode)
    tab = device.log_in(account, QUIET)
    tab.expect_heading("Settings")
    device.expire_token(tab)
    tab.save_name("Ann")
    tab.expect_notice(SAVED)
    assert device.count("POST", REFRESH) == (0 if mode == "cookie" else 1), "with a cookie, the gateway refreshes"


def test_two_tabs_at_the_expiry_both_go_on(new: NewDevice, plain_stack: RunningStack, mode: Mode) -> None:
    account = plain_stack.register()
    device = new(plain_stack.url, mode)
    tabs = [device.log_in(account, QUIET), device.open(QUIET)]
    for tab in tabs:
        tab.expect_heading("Settings")
    device.expire_token(tab)
    # A notice is shown for four seconds: in one tab it may be gone before the other has its own.
    with tabs[0].page.expect_response(is_saved), tabs[1].page.expect_response(is_saved):
        for tab in tabs:
            # Later, so that both are told before either has an answer.
            tab.page.evaluate("setTimeout(() => document.querySelector('app-name-form form').requestSubmit(), 300)")
    for tab in tabs:
        tab.page.reload()
        tab.expect_heading("Settings")
    assert tabs[0].stored() == tabs[1].stored()


def test_a_device_that_slept_past_the_expiry_goes_on(new: NewDevice, brief_stack: RunningStack, mode: Mode) -> None:
    """The page is frozen as by an operating system: no timer and no script runs."""
    account = brief_stack.register()
    tab = new(brief_stack.url, mode).log_in(account)
    set_lifecycle(tab.page, "frozen")
    wait_for_expiry(brief_stack, account)
    title = "Written elsewhere"
    brief_stack.add_note(brief_stack.login(account).access, title)
    set_lifecycle(tab.page, "active")
    expect(tab.view.get_by_role("button", name=title)).to_be_visible()
    expect(tab.view.get_by_text("Live", exact=True)).to_be_visible()


def test_the_app_starts_after_the_expiry_without_a_log_in(
    new: NewDevice, plain_stack: RunningStack, mode: Mode
) -> None:
    account = plain_stack.register()
    device = new(plain_stack.url, mode)
    tab = device.log_in(account, QUIET)
    tab.expect_heading("Settings")
    device.expire_token(tab)
    tab = device.open("/home")
    tab.expect_home(account)
    expect(tab.view.get_by_text("Live", exact=True)).to_be_visible()


def test_a_late_refusal_of_an_old_token_does_not_refresh_again(new: NewDevice, plain_stack: RunningStack) -> None:
    device = new(plain_stack.url, "token")
    device.log_in(plain_stack.register(), QUIET).expect_heading("Settings")
    kit = device.open_kit()
    refusals: dict[str, Route] = {}

    def hold(route: Route) -> None:
        """Hold the first request of each kind, and let the repetition pass."""
        if route.request.url in refusals:
            route.continue_()
        else:
            refusals[route.request.url] = route

    kit.route("**/api/whoami?*", hold)
    urls = [f"{plain_stack.url}/api/whoami?{name}" for name in ("fast", "slow")]
    for url in urls:
        with kit.expect_request(url):
            kit.evaluate(
                "url => { (window.answers ??= []).push(client.fetch(url).then(({ status }) => status)) }", url
            )
    for number, url in enumerate(urls):
        refusals[url].fulfill(status=401, json={})
        assert kit.evaluate("number => answers[number]", number) == 200
    assert device.count("POST", REFRESH) == 1


def is_saved(response: Response) -> bool:
    """Return whether a response confirms a change of the user."""
    sent = response.request.method, urlsplit(response.url).path
    return response.ok and sent == ("PATCH", "/auth/users/me/")


def set_lifecycle(page: Page, state: str) -> None:
    """Freeze the page, or let it go on."""
    page.context.new_cdp_session(page).send("Page.setWebLifecycleState", {"state": state})
