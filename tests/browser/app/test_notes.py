"""Notes: written, changed, found, deleted, and followed from another device."""

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.app.conftest import NewDevice
from tests.browser.app.device import Mode, Tab
from tests.system.support.running_stack import RunningStack

pytestmark = pytest.mark.timeout(300)


def test_a_note_is_written_changed_found_and_deleted(new: NewDevice, plain_stack: RunningStack, mode: Mode) -> None:
    tab = new(plain_stack.url, mode).log_in(plain_stack.register())
    for title in ("Milk", "Bread"):
        tab.press("Add note")
        dialog(tab).get_by_label("Title", exact=True).fill(title)
        dialog(tab).locator("textarea[name=body]").fill(f"{title}\nfrom the market")
        dialog(tab).get_by_role("button", name="Save", exact=True).click()
        expect(note(tab, title)).to_be_visible()
        tab.expect_notice("The note was saved.")
    tab.view.get_by_role("searchbox").fill("milk")
    expect(note(tab, "Bread")).to_have_count(0)
    note(tab, "Milk").click()
    expect(dialog(tab).locator("textarea[name=body]")).to_have_value("Milk\nfrom the market")
    dialog(tab).get_by_label("Title", exact=True).fill("Oat milk")
    dialog(tab).get_by_role("button", name="Save", exact=True).click()
    expect(note(tab, "Oat milk")).to_be_visible()
    tab.expect_notice("The note was saved.")
    note(tab, "Oat milk").click()
    dialog(tab).get_by_role("button", name="Delete", exact=True).click()
    tab.page.locator("ion-alert").get_by_role("button", name="Delete", exact=True).click()
    tab.expect_notice("The note was deleted.")
    expect(tab.view.get_by_role("heading", name="Nothing found")).to_be_visible()
    tab.page.reload()
    expect(note(tab, "Bread")).to_be_visible()
    expect(tab.view.get_by_role("listitem")).to_have_count(1)


def test_changes_of_another_device_appear(new: NewDevice, plain_stack: RunningStack, mode: Mode) -> None:
    account = plain_stack.register()
    tab = new(plain_stack.url, mode).log_in(account)
    expect(tab.view.get_by_text("Live", exact=True)).to_be_visible()
    access = plain_stack.login(account).access
    path = plain_stack.add_note(access, "Milk")
    expect(note(tab, "Milk")).to_be_visible()
    # The device has English of Great Britain.
    expect(note(tab, "Milk").locator("time")).to_have_text(re.compile(r"^\d{1,2} \w+ 20\d\d, \d\d:\d\d$"))
    assert plain_stack.send("PATCH", path, access, json={"title": "Oat milk"}).ok
    expect(note(tab, "Oat milk")).to_be_visible()
    assert plain_stack.send("DELETE", path, access).ok
    expect(tab.view.get_by_role("heading", name="No notes yet")).to_be_visible()


def test_a_note_is_not_lost_by_a_slip(new: NewDevice, plain_stack: RunningStack) -> None:
    tab = new(plain_stack.url, "cookie").log_in(plain_stack.register())
    tab.press("Add note")
    dialog(tab).get_by_label("Title", exact=True).fill("Milk")
    dialog(tab).get_by_role("button", name="Close", exact=True).click()
    question = tab.page.locator("ion-alert")
    question.get_by_role("button", name="Keep editing", exact=True).click()
    expect(question).to_have_count(0)
    expect(dialog(tab).get_by_label("Title", exact=True)).to_have_value("Milk")
    dialog(tab).get_by_role("button", name="Close", exact=True).click()
    question.get_by_role("button", name="Discard", exact=True).click()
    expect(dialog(tab)).to_have_count(0)
    expect(tab.view.get_by_role("heading", name="No notes yet")).to_be_visible()


def test_markup_in_a_note_is_text(new: NewDevice, plain_stack: RunningStack) -> None:
    account = plain_stack.register()
    title = "<img src=x onerror=\"document.title='executed'\">"
    plain_stack.add_note(plain_stack.login(account).access, title)
    tab = new(plain_stack.url, "cookie").log_in(account)
    expect(tab.view.get_by_text(title)).to_be_visible()
    tab.view.get_by_text(title).click()
    dialog(tab).get_by_role("button", name="Delete", exact=True).click()
    expect(tab.page.locator("ion-alert")).to_contain_text(title)
    expect(tab.page).to_have_title("Home · Sallyport")


def dialog(tab: Tab) -> Locator:
    """The dialog of a note."""
    return tab.page.locator("ion-modal.show-modal")


def note(tab: Tab, title: str) -> Locator:
    """The note in the list."""
    return tab.view.locator("button.note").filter(has=tab.page.locator("strong", has_text=title))
