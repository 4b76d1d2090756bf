"""The first page of a gateway in development, in Chromium: health, links, the console in three modes, faults."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.visitor import Visitor, visit
from tests.system.support.running_stack import RunningStack

pytestmark = pytest.mark.timeout(300)

ALL_EXPECTED = "All steps were answered as expected."
PARTS = ["gateway", "auth service", "notes service", "Redis", "SQL"]


@pytest.fixture
def visitor(chromium: Browser, plain_stack: RunningStack) -> Iterator[Visitor]:
    visitor = visit(chromium, plain_stack.url, language="en", has_script=True, name="first")
    yield visitor
    visitor.page.request.delete(f"{plain_stack.url}/development/faults")
    assert not visitor.refusals
    visitor.context.close()


def walk(page: Page, mode: str) -> None:
    """Choose a client mode and walk through its steps."""
    page.get_by_label(mode, exact=True).check()
    page.get_by_role("button", name="Walk through all steps").click()


@pytest.mark.parametrize("mode", ["Bearer", "Bearer + X-Refresh-Token", "Session cookie"])
def test_the_flow_is_as_expected_in_each_mode(visitor: Visitor, mode: str) -> None:
    visitor.open("/")
    walk(visitor.page, mode)
    expect(visitor.page.locator("#status")).to_have_text(ALL_EXPECTED, timeout=120_000)
    steps = visitor.page.locator("#steps li")
    expect(visitor.page.locator(".outcome.expected")).to_have_count(steps.count())
    assert visitor.page.locator("#log li").count() == steps.count()
    visitor.page.locator("#log summary").first.click()
    visitor.check()


def test_a_request_is_shown_with_its_response_and_without_whole_tokens(visitor: Visitor) -> None:
    visitor.open("/")
    page = visitor.page
    for step in ("Register", "Log in", "Call a service"):
        page.get_by_role("button", name=step, exact=True).click()
        expect(page.locator("#status")).to_contain_text(f"{step}: 20")
    page.locator("#log summary").first.click()
    entry = page.locator("#log li").first
    expect(entry.locator(".method")).to_have_text("GET")
    expect(entry.locator(".target")).to_have_text("/api/whoami")
    expect(entry.locator(".status")).to_have_text("200")
    sent, received, command = (pre.inner_text() for pre in entry.locator("pre").all())
    assert "Authorization: Bearer eyJ" in sent
    assert "…" in sent
    assert '"sub": ' in received
    assert "x-request-id: " in received
    assert command.startswith(f"curl -i -X GET {visitor.url}/api/whoami")


def test_claims_are_shown_with_a_countdown(visitor: Visitor) -> None:
    visitor.open("/")
    page = visitor.page
    for step in ("Register", "Log in"):
        page.get_by_role("button", name=step, exact=True).click()
        expect(page.locator("#status")).to_contain_text(f"{step}: 20")
    access, refresh = page.locator("#tokens table").all()
    expect(access.locator("caption")).to_contain_text("expires in 4 min")
    expect(access.get_by_role("row", name="token_type")).to_contain_text("access")
    expect(refresh.locator("caption")).to_contain_text("d ")
    before = access.locator("caption").inner_text()
    expect(access.locator("caption")).not_to_have_text(before)


def test_a_fault_is_switched_on_and_off(visitor: Visitor) -> None:
    visitor.open("/")
    page = visitor.page
    page.get_by_label("Fault", exact=True).select_option("unavailable")
    page.get_by_label("Seconds").fill("60")
    page.get_by_label("Paths that begin with").fill("/auth/")
    page.get_by_role("button", name="Switch on").click()
    expect(page.locator("#fault-list")).to_contain_text("unavailable for /auth/:")
    page.get_by_role("button", name="Register", exact=True).click()
    expect(page.locator("#status")).to_contain_text("Register: 503 instead of 201")
    visitor.check()
    page.get_by_role("button", name="Switch all off").click()
    expect(page.locator("#fault-list li")).to_have_count(0)
    page.get_by_role("button", name="Register", exact=True).click()
    expect(page.locator("#status")).to_contain_text("Register: 201, as expected")


def test_a_lost_answer_is_shown(visitor: Visitor) -> None:
    visitor.open("/")
    page = visitor.page
    page.get_by_label("Fault", exact=True).select_option("lost-answer")
    page.get_by_label("Paths that begin with").fill("/auth/users/")
    page.get_by_role("button", name="Switch on").click()
    expect(page.locator("#fault-list li")).to_have_count(1)
    page.get_by_role("button", name="Register", exact=True).click()
    expect(page.locator("#status")).to_contain_text("Register: no response instead of 201")


def test_a_wrong_fault_is_explained(visitor: Visitor) -> None:
    visitor.open("/")
    page = visitor.page
    page.get_by_label("Paths that begin with").fill("auth")
    page.get_by_role("button", name="Switch on").click()
    expect(page.locator("#fault-error")).to_contain_text("path: ")


def test_the_health_of_each_part_is_watched(visitor: Visitor) -> None:
    visitor.open("/")
    page = visitor.page
    assert page.locator("#parts strong").all_inner_texts() == PARTS
    assert page.locator("#parts .state").all_inner_texts() == ["up"] * len(PARTS)
    part = {"name": "auth service", "state": "down", "detail": "No answer."}
    page.route("**/development/health", lambda route: route.fulfill(json={"parts": [part]}))
    expect(page.locator("#parts .state.down")).to_have_count(1)


@pytest.mark.parametrize("path", ["/", "/development"])
def test_without_javascript_the_page_shows_what_there_is(
    chromium: Browser, plain_stack: RunningStack, path: str
) -> None:
    visitor = visit(chromium, plain_stack.url, language="en", has_script=False)
    visitor.open(path)
    page = visitor.page
    assert page.locator("#parts strong").all_inner_texts() == PARTS
    assert "needs JavaScript" in page.locator("noscript").first.inner_text()
    assert not page.get_by_role("button").count(), "nothing is offered that does not work"
    page.get_by_role("link", name="Create an account").click()
    expect(page.locator("h1")).to_have_text("Create an account")
    visitor.context.close()


def test_the_links_lead_somewhere(visitor: Visitor) -> None:
    visitor.open("/")
    links = {link.get_attribute("href") for link in visitor.page.locator("main a").all()}
    assert {"/auth/register/", "/auth/login/", "/auth/account/", "/development/mails/"} <= links
    for link in links:
        assert visitor.page.request.get(f"{visitor.url}{link}").status in (200, 401), link


def test_mails_are_shown_with_their_links(visitor: Visitor, plain_stack: RunningStack) -> None:
    account = plain_stack.register()
    plain_stack.send("POST", "/auth/users/reset_password/", json={"email": account.email})
    visitor.open("/development/mails/")
    mail = visitor.page.locator("article").filter(has_text=account.email).first
    for _ in range(60):  # another process writes the file
        if mail.count():
            break
        visitor.page.wait_for_timeout(500)
        visitor.page.reload()
    visitor.check()
    mail.get_by_role("link", name="/auth/password/reset/").click()
    expect(visitor.page.locator("h1")).to_have_text("Choose a new password")


def test_the_keyboard_is_enough(visitor: Visitor) -> None:
    visitor.open("/")
    page = visitor.page
    page.get_by_label("Bearer", exact=True).focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("Bearer + X-Refresh-Token")).to_be_checked()
    for _ in range(5):
        page.keyboard.press("Tab")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert page.evaluate("document.activeElement.id") == "restart"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("Register: 201, as expected")
