"""Registration, log-in and the guards of the app."""

import re
import uuid

import pytest
from playwright.sync_api import expect

from tests.browser.app.conftest import NewDevice
from tests.browser.app.device import Mode
from tests.browser.mailbox import Mailbox
from tests.system.support.running_stack import PASSWORD, Account, RunningStack

pytestmark = pytest.mark.timeout(300)


def new_address() -> str:
    """Return an address that has no account."""
    return f"{uuid.uuid4().hex}@example.com"


def test_a_registration_leads_home_and_a_reload_stays_there(
    new: NewDevice, plain_stack: RunningStack, mode: Mode
) -> None:
    device = new(plain_stack.url, mode)
    tab = device.open("/register")
    tab.expect_heading("Create an account")
    account = Account("", new_address(), PASSWORD)
    tab.fill(email=account.email, password=PASSWORD, first_name="Ann", last_name="Lee")
    tab.press("Create account")
    tab.expect_home(account)
    expect(tab.view.get_by_text("Ann Lee")).to_be_visible()
    expect(tab.page).to_have_url(f"{plain_stack.url}/app/home")
    tab.page.reload()
    tab.expect_home(account)
    assert device.count("POST", "/session/" if mode == "cookie" else "/auth/jwt/create/") == 1, "logged in once"


def test_a_visitor_comes_to_the_log_in_page_and_from_there_to_the_wanted_page(
    new: NewDevice, plain_stack: RunningStack, mode: Mode
) -> None:
    account = plain_stack.register()
    tab = new(plain_stack.url, mode).open("/sessions")
    tab.expect_log_in()
    expect(tab.page).to_have_url(f"{plain_stack.url}/app/log-in?returnUrl=%2Fsessions")
    tab.log_in(account)
    tab.expect_heading("Devices")
    expect(tab.view.get_by_text("This device")).to_be_visible()


@pytest.mark.parametrize("wanted", ["//elsewhere.test/", "https://elsewhere.test/", "/log-in", "/nowhere"])
def test_a_log_in_leads_to_pages_of_the_app_alone(new: NewDevice, plain_stack: RunningStack, wanted: str) -> None:
    tab = new(plain_stack.url, "cookie").open(f"/log-in?returnUrl={wanted}")
    tab.expect_log_in()
    account = plain_stack.register()
    tab.log_in(account)
    tab.expect_home(account)


@pytest.mark.parametrize("path", ["/log-in", "/register", "/forgotten-password", "/nowhere", "/"])
def test_a_user_who_is_logged_in_sees_the_home_page_instead(
    new: NewDevice, plain_stack: RunningStack, path: str
) -> None:
    account = plain_stack.register()
    tab = new(plain_stack.url, "cookie").log_in(account)
    tab.go(path)
    tab.expect_home(account)
    expect(tab.page).to_have_url(f"{plain_stack.url}/app/home")


def test_a_wrong_password_is_explained_and_nobody_is_logged_in(
    new: NewDevice, plain_stack: RunningStack, mode: Mode
) -> None:
    account = plain_stack.register()
    tab = new(plain_stack.url, mode).open("/log-in")
    tab.expect_log_in()
    tab.log_in(Account(account.id, account.email, "wrong"))
    expect(tab.problem).to_have_text("The e-mail address or the password is wrong.")
    tab.log_in(account)
    tab.expect_home(account)


def test_what_is_wrong_is_shown_at_the_field_that_the_server_names(new: NewDevice, plain_stack: RunningStack) -> None:
    account = plain_stack.register()
    device = new(plain_stack.url, "cookie")
    tab = device.open("/register")
    tab.expect_heading("Create an account")
    tab.press("Create account")
    required = "This field is required."
    tab.expect_errors(email=required, password=required)
    assert device.count("POST", "/auth/users/") == 0

    tab.fill(email=account.email, password="password1")
    tab.press("Create account")
    expect(tab.problem).to_have_text("Please check the marked fields.")
    tab.expect_errors(email="user with this email already exists.")
    expect(tab.field("E-mail")).to_be_focused()

    tab.fill(email=new_address())
    tab.expect_errors()  # a field that is changed is not wrong any more
    tab.press("Create account")
    expect(tab.field("Password")).to_be_focused()
    tab.expect_errors(password="This password is too common.")


def test_the_texts_are_french_those_of_the_server_too(new: NewDevice, plain_stack: RunningStack) -> None:
    tab = new(plain_stack.url, "cookie", language="fr-FR").open("/register")
    tab.expect_heading("Créer un compte")
    expect(tab.page.locator("html")).to_have_attribute("lang", "fr")
    tab.fill(email=new_address(), password="1234567")
    tab.press("Créer le compte")
    too_short = "Ce mot de passe est trop court. Utilisez au moins 8 caractères."
    tab.expect_errors(password=re.compile(f"^{re.escape(too_short)}"))
    tab.page.keyboard.press("Shift+Tab")
    tab.expect_focus("email")
    tab.expect_errors(password=re.compile(f"^{re.escape(too_short)}"))  # until it is changed, not until it is left
    tab.press("English")
    tab.expect_heading("Create an account")
    tab.page.reload()
    tab.expect_heading("Create an account")


def test_an_address_is_confirmed_before_the_first_log_in(
    new: NewDevice, stack: RunningStack, url: str, mailbox: Mailbox
) -> None:
    account = Account("", new_address(), PASSWORD)
    device = new(url, "cookie")
    tab = device.open("/register")
    tab.fill(email=account.email, password=PASSWORD)
    tab.press("Create account")
    tab.expect_heading("Check your e-mail")
    expect(tab.view.get_by_role("status")).to_contain_text(account.email)
    tab.page.goto(mailbox.link(account.email))
    tab.page.get_by_role("main").get_by_role("button").first.click()
    tab.go("/log-in")
    tab.log_in(account)
    tab.expect_home(account)


def test_a_forgotten_password_is_replaced_by_the_link_of_the_mail(new: NewDevice, plain_stack: RunningStack) -> None:
    account = plain_stack.register()
    tab = new(plain_stack.url, "cookie").open("/log-in")
    tab.view.get_by_role("link", name="Forgot your password?").click()
    tab.expect_heading("Forgotten password")
    tab.fill(email=account.email)
    tab.press("Send link")
    tab.expect_heading("Check your e-mail")
    expect(tab.view.get_by_text(account.email)).to_be_visible()
    assert "/auth/password/reset/confirm/" in Mailbox(plain_stack.data_dir / "mail").link(account.email)


def test_the_keyboard_is_enough_to_log_in(new: NewDevice, plain_stack: RunningStack) -> None:
    account = plain_stack.register()
    tab = new(plain_stack.url, "cookie").open("/log-in")
    tab.expect_log_in()
    keyboard = tab.page.keyboard
    visited = []
    for _ in range(7):
        keyboard.press("Tab")
        visited.append(tab.page.evaluate(NAME_OF_FOCUSED))
    assert visited == [
        "E-mail",
        "Password",
        "Show password",
        "Log in",
        "Forgot your password?",
        "Create an account",
        "Français",
    ]
    tab.field("E-mail").focus()
    keyboard.type(account.email)
    keyboard.press("Tab")
    keyboard.type("wrong")
    keyboard.press("Enter")
    expect(tab.problem).to_be_visible()
    tab.field("Password").focus()
    keyboard.press("ControlOrMeta+a")
    keyboard.type(account.password)
    keyboard.press("Enter")
    tab.expect_home(account)


NAME_OF_FOCUSED = """() => {
    let element = document.activeElement;
    while (element.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
    const host = element.getRootNode().host ?? element;
    const label = element.labels?.[0]?.querySelector(".label-text-wrapper") ?? host;
    return element.getAttribute("aria-label") ?? host.getAttribute("aria-label") ?? label.textContent.trim();
}"""
