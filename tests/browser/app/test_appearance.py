"""Every page and dialog: accessible in both colour schemes, on a phone and on a desktop, with a picture of each."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import violations
from tests.browser.app.conftest import NewDevice
from tests.browser.app.device import DESKTOP, PHONE, Tab
from tests.system.support.running_stack import PASSWORD, Account, RunningStack

pytestmark = pytest.mark.timeout(300)
NOTES = {
    "Groceries": "Milk, bread, apples",
    "Call the dentist": "Before Thursday. Ask for an appointment in the morning, if there is one left.",
    "A title that is so long that it does not fit on one line of a phone, as people write them": "",
}
SETTLED = """async () => {
    const frame = () => new Promise(requestAnimationFrame);
    // document.getAnimations() leaves out what is in shadow roots, where Ionic's components have their transitions.
    const roots = (root) => [root, ...[...root.querySelectorAll("*")].flatMap(
        ({ shadowRoot }) => shadowRoot ? roots(shadowRoot) : [])];
    const running = () => roots(document).flatMap(root => root.getAnimations()).filter(
        one => one.playState === "running" && one.effect.getTiming().iterations !== Infinity);
    await frame();
    await frame();  // a change of the colour scheme has its effect, and begins transitions
    // A transition of an inherited colour begins others in the elements within.
    for (let found = running(); found.length; found = running()) {
        await Promise.allSettled(found.map(one => one.finished));
        await frame();
    }
    await frame();
}"""


def log_in_page(tab: Tab) -> None:
    tab.go("/log-in")
    tab.expect_log_in()


def wrong_log_in(tab: Tab) -> None:
    tab.log_in(Account("", "ann@example.com", "wrong"))
    expect(tab.problem).to_be_visible()


def registration(tab: Tab) -> None:
    tab.go("/register")
    tab.expect_heading("Create an account")


def wrong_registration(tab: Tab) -> None:
    tab.fill(email="ann@example", password="12345")
    tab.press("Create account")
    expect(tab.view.locator("input[aria-invalid=true]")).to_have_count(1)


def forgotten_password(tab: Tab) -> None:
    tab.go("/forgotten-password")
    tab.expect_heading("Forgotten password")


def sent_mail(tab: Tab) -> None:
    tab.fill(email="ann@example.com")
    tab.press("Send link")
    tab.expect_heading("Check your e-mail")


def empty_home(tab: Tab) -> None:
    expect(tab.view.get_by_role("heading", name="No notes yet")).to_be_visible()
    expect(tab.view.get_by_text("Live", exact=True)).to_be_visible()


def home(tab: Tab) -> None:
    expect(tab.view.get_by_role("listitem")).to_have_count(len(NOTES))


def note(tab: Tab) -> None:
    tab.view.get_by_role("button", name="Call the dentist").click()
    expect(tab.page.locator("ion-modal.show-modal").get_by_role("button", name="Save")).to_be_visible()


def question(tab: Tab) -> None:
    tab.page.locator("ion-modal.show-modal").get_by_role("button", name="Delete").click()
    expect(tab.page.locator("ion-alert").get_by_role("button", name="Delete")).to_be_visible()


def offline(tab: Tab) -> None:
    tab.go("/home")
    home(tab)
    tab.page.context.set_offline(True)
    expect(tab.page.locator(".connection-notice")).to_contain_text("You are offline.")


def devices(tab: Tab) -> None:
    tab.page.context.set_offline(False)
    expect(tab.page.locator(".connection-notice")).to_have_text("")
    tab.go("/sessions")
    expect(tab.view.get_by_text("This device")).to_be_visible()


def settings(tab: Tab) -> None:
    tab.go("/settings")
    tab.expect_heading("Settings")


def deletion(tab: Tab) -> None:
    tab.press("Delete my account…")
    expect(tab.view.locator("app-delete-form input[name=current_password]")).to_be_visible()


Step = Callable[[Tab], None]
VISITOR: list[Step] = [log_in_page, wrong_log_in, registration, wrong_registration, forgotten_password, sent_mail]
USER: list[Step] = [home, note, question, offline, devices, settings, deletion]


@pytest.mark.parametrize("form", ["phone", "desktop"])
def test_pages_for_visitors(new: NewDevice, plain_stack: RunningStack, pictures: Path, form: str) -> None:
    tab = new(plain_stack.url, "cookie", viewport=DESKTOP if form == "desktop" else PHONE).open("/log-in")
    for step in VISITOR:
        step(tab)
        check(tab, pictures, f"{step.__name__}-{form}")


@pytest.mark.parametrize("form", ["phone", "desktop"])
def test_pages_for_users(new: NewDevice, plain_stack: RunningStack, pictures: Path, form: str) -> None:
    account = Account("", f"ann.{form}@example.com", PASSWORD)
    body = {"email": account.email, "password": PASSWORD, "first_name": "Ann", "last_name": "Lee"}
    assert plain_stack.send("POST", "/auth/users/", json=body).ok
    tab = new(plain_stack.url, "cookie", viewport=DESKTOP if form == "desktop" else PHONE).log_in(account)
    empty_home(tab)
    check(tab, pictures, f"empty_home-{form}")
    access = plain_stack.login(account).access
    for title, text in NOTES.items():
        assert plain_stack.send("POST", "/api/notes/", access, json={"title": title, "body": text}).ok
    for step in USER:
        step(tab)
        check(tab, pictures, f"{step.__name__}-{form}")


def check(tab: Tab, pictures: Path, name: str) -> None:
    """Check the page with axe in both colour schemes, that it does not scroll sideways, and take its pictures."""
    page = tab.page
    assert page.viewport_size
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]

    def settle_and_take_picture(scheme: str) -> None:
        page.evaluate(SETTLED)
        page.screenshot(path=pictures / f"{name}-{scheme}.png")

    found = violations(page, settle_and_take_picture)
    assert found == [], (name, found)
