"""Sessions that end: the log-in page, no loop, and nothing of the former user."""

import sqlite3
from contextlib import closing
from uuid import UUID

import pytest
from playwright.sync_api import Response, expect

from stack.plan import SQLITE_FILES
from tests.browser.app.conftest import NewDevice, wait_for_expiry
from tests.browser.app.device import REFRESH, Mode, Tab
from tests.system.support.running_stack import PASSWORD, Account, RunningStack

pytestmark = pytest.mark.timeout(300)
EXPIRED = "Your session has ended. Please log in again."
NEW_PASSWORD = "another long sentence"


def test_a_session_that_expired_leads_to_the_log_in_page_without_a_loop(
    new: NewDevice, brief_stack: RunningStack, mode: Mode
) -> None:
    account = brief_stack.register()
    device = new(brief_stack.url, mode)
    tab = device.log_in(account, "/settings")
    tab.expect_heading("Settings")
    expire_sessions(brief_stack, account)
    wait_for_expiry(brief_stack, account)
    tab.page.evaluate("undefined")  # Playwright reports earlier requests now
    del device.requests[:]
    tab.save_name("Ann")
    tab.expect_log_in(EXPIRED)
    tab.page.wait_for_timeout(1500)  # a loop would go on
    sent = [(request.method, request.url.removeprefix(brief_stack.url)) for request in device.requests]
    check = ("POST", REFRESH) if mode == "token" else ("GET", "/session/")
    assert [one for one in sent if not one[1].startswith("/app/")] == [("PATCH", "/auth/users/me/"), check]
    expect(tab.page).to_have_url(f"{brief_stack.url}/app/log-in?reason=expired&returnUrl=%2Fsettings")


def test_the_app_starts_with_the_log_in_page_after_the_session_expired(
    new: NewDevice, brief_stack: RunningStack, mode: Mode
) -> None:
    account = brief_stack.register()
    device = new(brief_stack.url, mode)
    device.log_in(account, "/settings").expect_heading("Settings")
    expire_sessions(brief_stack, account)
    wait_for_expiry(brief_stack, account)
    tab = device.open("/home")
    tab.expect_log_in()
    tab.page.wait_for_timeout(1500)
    assert device.count("POST", REFRESH) <= 1
    assert account.email not in tab.page.content()
    assert "access" not in tab.stored()


def test_requests_that_wait_for_a_refused_refresh_are_all_answered(new: NewDevice, plain_stack: RunningStack) -> None:
    account = plain_stack.register()
    device = new(plain_stack.url, "token")
    tab = device.log_in(account, "/settings")
    tab.expect_heading("Settings")
    kit = device.open_kit()
    end_all_sessions(plain_stack, account)
    script = """() => Promise.all([1, 2, 3, 4, 5].map(
        number => client.fetch(`/api/whoami?${number}`).then(({ status }) => status)))"""
    assert kit.evaluate(script) == [401] * 5
    assert device.count("POST", REFRESH) == 1
    tab.expect_log_in()


def test_a_session_that_ends_on_another_device_leads_to_the_log_in_page(
    new: NewDevice, plain_stack: RunningStack, mode: Mode
) -> None:
    account = plain_stack.register()
    tab = new(plain_stack.url, mode).log_in(account)
    other = new(plain_stack.url, mode).log_in(account, "/sessions")
    other.view.get_by_role("button", name="Log out Chrome on").click()
    other.page.locator("ion-alert").get_by_role("button", name="Log out", exact=True).click()
    other.expect_notice("The device was logged out.")
    expect(other.view.get_by_role("listitem")).to_have_count(1)
    # The stream of the home page ends with the session: nobody has to press anything.
    tab.expect_log_in(EXPIRED)
    assert account.email not in tab.page.content()


def test_all_other_devices_are_logged_out(new: NewDevice, plain_stack: RunningStack) -> None:
    account = plain_stack.register()
    tabs = [new(plain_stack.url, mode).log_in(account) for mode in ("token", "cookie")]
    other = new(plain_stack.url, "token").log_in(account, "/sessions")
    other.press("Log out all other devices")
    other.page.locator("ion-alert").get_by_role("button", name="Log out", exact=True).click()
    other.expect_notice("All other devices were logged out.")
    for tab in tabs:
        tab.expect_log_in(EXPIRED)
    other.go("/home")
    other.expect_home(account)


def test_a_new_password_ends_the_other_sessions_and_not_this_one(
    new: NewDevice, plain_stack: RunningStack, mode: Mode
) -> None:
    account = plain_stack.register()
    other = new(plain_stack.url, mode).log_in(account)
    tab = new(plain_stack.url, mode).log_in(account, "/settings")
    tab.expect_heading("Settings")
    form = tab.view.locator("app-password-form")
    form.locator("input[name=current_password]").fill("wrong")
    form.locator("input[name=new_password]").fill(NEW_PASSWORD)
    tab.press("Change password")
    expect(form.locator("input[name=current_password]")).to_have_attribute("aria-invalid", "true")
    form.locator("input[name=current_password]").fill(PASSWORD)
    tab.press("Change password")
    tab.expect_notice("Your password was changed.")
    other.expect_log_in(EXPIRED)
    tab.go("/home")
    tab.expect_home(account)
    other.log_in(account)
    expect(other.problem).to_be_visible()
    other.log_in(Account(account.id, account.email, NEW_PASSWORD))
    other.expect_home(account)


def test_a_403_logs_nobody_out(new: NewDevice, plain_stack: RunningStack, mode: Mode) -> None:
    account = plain_stack.register()
    tab = new(plain_stack.url, mode).log_in(account, "/settings")
    tab.expect_heading("Settings")
    body = {"detail": "Not yours.", "code": "forbidden"}
    tab.page.route("**/auth/users/me/", lambda route: route.fulfill(status=403, json=body))
    tab.save_name("Ann")
    expect(tab.problem).to_have_text("You are not allowed to do this.")
    tab.page.unroute("**/auth/users/me/")
    tab.save_name("Ann")
    tab.expect_notice("Your name was saved.")


def test_a_log_out_ends_the_session_and_leaves_nothing(new: NewDevice, plain_stack: RunningStack, mode: Mode) -> None:
    account = plain_stack.register()
    device = new(plain_stack.url, mode)
    tab = device.log_in(account)
    write_note(tab, "A secret of Ann")
    refresh = str(tab.stored().get("refresh"))
    cookies = device.context.cookies()
    with tab.page.expect_response(is_end_of_session):
        tab.log_out()
    expect(tab.page.locator("ion-router-outlet > .ion-page")).to_have_count(1)
    for text in (account.email, "A secret of Ann"):
        assert text not in tab.page.content()
    storage = tab.page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }])")
    assert account.email not in storage
    assert "eyJ" not in storage
    if mode == "token":
        assert plain_stack.try_refresh(refresh).status_code == 401
    else:
        assert "__Host-session" in {cookie["name"] for cookie in cookies}
        assert "__Host-session" not in {cookie["name"] for cookie in device.context.cookies()}
    expect_nothing_by_going_back(tab, account)


def test_a_log_out_without_a_connection_leaves_nothing_either(
    new: NewDevice, plain_stack: RunningStack, mode: Mode
) -> None:
    account = plain_stack.register()
    device = new(plain_stack.url, mode)
    tab = device.log_in(account)
    device.context.set_offline(True)
    tab.log_out()
    assert account.email not in tab.page.content()
    assert "eyJ" not in tab.page.evaluate("JSON.stringify({ ...localStorage })")
    device.context.set_offline(False)
    if mode == "cookie":  # only the gateway can end the session: the app asks for it as soon as it can
        tab.page.wait_for_event("response", is_end_of_session)
        assert "__Host-session" not in {cookie["name"] for cookie in device.context.cookies()}
    tab.page.reload()
    tab.expect_log_in()


def test_the_next_user_sees_nothing_of_the_former_one(new: NewDevice, plain_stack: RunningStack, mode: Mode) -> None:
    ann, ben = plain_stack.register(), plain_stack.register()
    tab = new(plain_stack.url, mode).log_in(ann)
    write_note(tab, "A secret of Ann")
    tab.view.get_by_role("link", name="Devices").click()
    tab.expect_heading("Devices")
    expect(tab.view.get_by_text("This device")).to_be_visible()
    tab.go("/home")
    tab.expect_home(ann)
    tab.log_out()
    tab.log_in(ben)
    tab.expect_home(ben)
    expect(tab.view.get_by_role("heading", name="No notes yet")).to_be_visible()
    for text in (ann.email, "A secret of Ann"):
        assert text not in tab.page.content()
    tab.page.go_back()
    tab.page.go_back()
    tab.expect_home(ben)
    assert ann.email not in tab.page.content()


def test_a_log_out_in_one_tab_logs_the_other_out(new: NewDevice, plain_stack: RunningStack, mode: Mode) -> None:
    account = plain_stack.register()
    device = new(plain_stack.url, mode)
    tab = device.log_in(account)
    other = device.open("/settings")
    other.expect_heading("Settings")
    tab.log_out()
    other.expect_log_in()
    assert account.email not in other.page.content()
    tab.log_in(account)
    tab.expect_home(account)
    other.expect_home(account)


def test_a_deleted_account_is_logged_out(new: NewDevice, plain_stack: RunningStack, mode: Mode) -> None:
    account = plain_stack.register()
    tab = new(plain_stack.url, mode).log_in(account, "/settings")
    tab.press("Delete my account…")
    password = tab.view.locator("app-delete-form input[name=current_password]")
    expect(password).to_be_focused()
    expect(tab.view.get_by_role("button", name="Delete my account for good")).to_be_in_viewport(ratio=1)
    tab.press("Cancel")
    expect(tab.view.get_by_role("heading", name="Delete account")).to_be_focused()
    tab.press("Delete my account…")
    password.fill(PASSWORD)
    tab.press("Delete my account for good")
    tab.expect_log_in("Your account has been deleted.")
    tab.log_in(account)
    expect(tab.problem).to_be_visible()


def write_note(tab: Tab, title: str) -> None:
    """Add a note on the home page."""
    tab.press("Add note")
    dialog = tab.page.locator("ion-modal.show-modal")
    dialog.get_by_label("Title", exact=True).fill(title)
    dialog.get_by_role("button", name="Save", exact=True).click()
    expect(tab.view.get_by_role("button", name=title)).to_be_visible()
    tab.expect_notice("The note was saved.")


def expect_nothing_by_going_back(tab: Tab, account: Account) -> None:
    """Go back as far as there are pages: each shows the log-in page."""
    for _ in range(3):
        tab.page.go_back()
        assert account.email not in tab.page.content()
        if tab.page.url == "about:blank":
            break
        tab.expect_log_in()


def is_end_of_session(response: Response) -> bool:
    """Return whether a response confirms a log-out."""
    sent = response.request.method, response.url.partition("/auth/jwt/")[2] or response.url.rpartition("/session/")[1]
    return response.ok and sent in {("POST", "blacklist/"), ("DELETE", "/session/")}


def end_all_sessions(stack: RunningStack, account: Account) -> None:
    """End every session, as another device may."""
    assert stack.send("POST", "/auth/sessions/logout-all/", stack.login(account).access).ok


def expire_sessions(stack: RunningStack, account: Account) -> None:
    """Let the last use of each session be longer ago than a session may be idle."""
    with closing(sqlite3.connect(stack.data_dir / SQLITE_FILES["auth"], timeout=30)) as database, database:
        changed = database.execute("UPDATE sessions SET rotated_at = 0 WHERE user_id = ?", [UUID(account.id).hex])
        assert changed.rowcount
