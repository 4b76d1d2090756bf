"""No connection, lost answers and refusals for the moment: a notice, recovery, and nobody logged out."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.app.conftest import Faults, NewDevice
from tests.browser.app.device import REFRESH, Mode, Tab
from tests.system.support.running_stack import RunningStack

pytestmark = pytest.mark.timeout(300)
SAVED = "Your name was saved."
LOST = "The server could not be reached. Check your connection and try again."
EXPIRE = {"X-Sallyport-Fault": "expired-token"}


def test_without_a_network_the_app_says_so_and_recovers(
    new: NewDevice, plain_stack: RunningStack, mode: Mode
) -> None:
    account = plain_stack.register()
    device = new(plain_stack.url, mode)
    tab = device.log_in(account)
    expect(tab.view.get_by_text("Live", exact=True)).to_be_visible()
    device.context.set_offline(True)
    expect(notice(tab)).to_have_text("You are offline. What you see may be out of date.")
    expect(tab.view.get_by_text("Reconnecting", exact=True)).to_be_visible()
    tab.expect_home(account)
    plain_stack.add_note(plain_stack.login(account).access, "Written meanwhile")
    device.context.set_offline(False)
    expect(notice(tab)).to_have_text("")
    expect(tab.view.get_by_role("button", name="Written meanwhile")).to_be_visible()
    expect(tab.view.get_by_text("Live", exact=True)).to_be_visible()


def test_what_was_typed_without_a_network_is_kept_and_can_be_sent_later(
    new: NewDevice, plain_stack: RunningStack, mode: Mode
) -> None:
    device = new(plain_stack.url, mode)
    tab = device.log_in(plain_stack.register(), "/settings")
    tab.expect_heading("Settings")
    device.context.set_offline(True)
    tab.save_name("Ann")
    expect(tab.problem).to_have_text(LOST)
    device.context.set_offline(False)
    expect(notice(tab)).to_have_text("")
    tab.press("Save name")
    tab.expect_notice(SAVED)


def test_lost_answers_to_refreshes_log_nobody_out(new: NewDevice, plain_stack: RunningStack, faults: Faults) -> None:
    device = new(plain_stack.url, "token")
    tab = device.log_in(plain_stack.register(), "/settings")
    tab.expect_heading("Settings")
    before = tab.stored()
    faults.turn_on("lost-answer", REFRESH)
    expire_next_request(tab.page)
    tab.save_name("Ann")
    expect(tab.problem).to_have_text(LOST)
    assert tab.stored() == before, "the tokens are kept"
    faults.turn_off()
    expect(notice(tab)).to_have_text("")
    expire_next_request(tab.page)
    tab.press("Save name")
    tab.expect_notice(SAVED)
    assert tab.stored()["refresh"] != before["refresh"]


def test_a_refused_refresh_of_an_overloaded_server_is_waited_out(
    new: NewDevice, plain_stack: RunningStack, faults: Faults
) -> None:
    device = new(plain_stack.url, "token")
    tab = device.log_in(plain_stack.register(), "/settings")
    tab.expect_heading("Settings")
    faults.turn_on("unavailable", REFRESH)
    expire_next_request(tab.page)
    with tab.page.expect_response(lambda response: response.url.endswith(REFRESH)) as refused:
        tab.save_name("Ann")
    assert refused.value.status == 503
    faults.turn_off()
    tab.expect_notice(SAVED)


def test_a_server_that_stays_overloaded_logs_nobody_out(
    new: NewDevice, plain_stack: RunningStack, faults: Faults, mode: Mode
) -> None:
    device = new(plain_stack.url, mode)
    tab = device.log_in(plain_stack.register(), "/settings")
    tab.expect_heading("Settings")
    faults.turn_on("unavailable", "/auth/")
    tab.save_name("Ann")
    expect(tab.problem).to_have_text("The service is busy. Please try again in a moment.")
    faults.turn_off()
    tab.press("Save name")
    tab.expect_notice(SAVED)


def test_the_app_starts_while_the_gateway_cannot_tell_who_is_logged_in(
    new: NewDevice, plain_stack: RunningStack, faults: Faults, mode: Mode
) -> None:
    account = plain_stack.register()
    device = new(plain_stack.url, mode)
    tab = device.log_in(account)
    for path in ("/auth/", "/session/", "/api/", "/healthz"):
        faults.turn_on("lost-answer", path)
    tab.page.reload()
    tab.expect_home(account)
    expect(notice(tab)).to_have_text("The server cannot be reached. Trying again…")
    faults.turn_off()
    expect(notice(tab)).to_have_text("")
    expect(tab.view.get_by_text("Live", exact=True)).to_be_visible()
    expect(tab.view.get_by_role("heading", name="No notes yet")).to_be_visible()


def test_a_log_in_whose_answer_is_lost_can_be_repeated(
    new: NewDevice, plain_stack: RunningStack, faults: Faults, mode: Mode
) -> None:
    account = plain_stack.register()
    tab = new(plain_stack.url, mode).open("/log-in")
    tab.expect_log_in()
    faults.turn_on("lost-answer", "/session/" if mode == "cookie" else "/auth/jwt/create/")
    tab.log_in(account)
    expect(tab.problem).to_have_text(LOST)
    faults.turn_off()
    expect(tab.field("E-mail")).to_have_value(account.email)
    tab.press("Log in")
    tab.expect_home(account)


def notice(tab: Tab) -> Locator:
    """The notice above every page while there is no connection."""
    return tab.page.locator(".connection-notice")


def expire_next_request(page: Page) -> None:
    """Let the access token of the next change of the user count as expired."""
    page.route(
        "**/auth/users/me/",
        lambda route: route.continue_(headers={**route.request.headers, **EXPIRE}),
        times=1,
    )
