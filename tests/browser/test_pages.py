"""The hosted pages in Chromium: the whole life of an account, with and without JavaScript, in both languages."""

import pytest
from playwright.sync_api import Browser, Route

from tests.browser.mailbox import Mailbox
from tests.browser.visitor import Visitor, visit

PASSWORD = "two doors, one key"
NEW_PASSWORD = "another long sentence"

pytestmark = pytest.mark.timeout(300)


def register_and_verify(visitor: Visitor, mailbox: Mailbox, email: str) -> None:
    """Register, open the link in the mail and press its button."""
    visitor.open("/auth/register/")
    visitor.send(email=email, password=PASSWORD, first_name="Ann", last_name="Lee")
    assert visitor.is_at("check_mail")
    visitor.open(mailbox.link(email))
    assert visitor.is_at("activate")
    visitor.press_button()
    assert visitor.is_at("login")


def log_in(visitor: Visitor, email: str, password: str = PASSWORD) -> None:
    """Log in at the log-in page."""
    visitor.open("/auth/login/")
    visitor.send(email=email, password=password)


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("has_script", [True, False], ids=["script", "no-script"])
def test_the_whole_life_of_an_account(
    chromium: Browser, url: str, mailbox: Mailbox, language: str, has_script: bool
) -> None:
    email = f"ann.{language}.{has_script}@example.org".lower()
    visitor = visit(chromium, url, language=language, has_script=has_script, name="life")
    register_and_verify(visitor, mailbox, email)

    log_in(visitor, email, "wrong password")
    assert visitor.is_at("login")
    assert visitor.page.locator("[role=alert]").count() == 1
    log_in(visitor, email)
    assert visitor.is_at("account")
    cookies = {cookie["name"]: cookie for cookie in visitor.context.cookies()}
    assert cookies["sallyport-session"]["httpOnly"]
    assert cookies["sallyport-session"]["sameSite"] == "Strict"
    visitor.open("/auth/account/log-out/")
    visitor.press_button()

    visitor.open("/auth/password/reset/")
    visitor.send(email=email)
    assert visitor.is_at("check_mail")
    link = mailbox.link(email)
    visitor.open(link)
    assert visitor.is_at("reset")
    visitor.send(new_password="123")
    assert visitor.page.locator("#f-new_password").get_attribute("aria-invalid") == "true"
    visitor.send(new_password=NEW_PASSWORD)
    assert visitor.is_at("login")
    visitor.open(link)
    assert visitor.is_at("dead_link")
    log_in(visitor, email, NEW_PASSWORD)

    visitor.open("/auth/account/email/")
    visitor.send(new_email=f"new.{email}", current_password=NEW_PASSWORD)
    assert visitor.is_at("account")
    assert f"new.{email}" in visitor.page.content()
    visitor.open("/auth/account/profile/")
    visitor.send(first_name="Anna")
    visitor.open("/auth/account/password/")
    visitor.send(current_password=NEW_PASSWORD, new_password=PASSWORD)
    assert visitor.is_at("account")

    other = visit(chromium, url, language=language, has_script=has_script, name="other")
    log_in(other, f"new.{email}")
    visitor.open("/auth/account/sessions/")
    assert visitor.page.locator(".sessions > li").count() == 2
    visitor.press_button("form[action$='end-all/'] button")
    assert visitor.is_at("login")
    other.open("/auth/account/")
    assert other.is_at("login")
    other.context.close()

    log_in(visitor, f"new.{email}")
    visitor.open("/auth/login/")
    visitor.open("/auth/account/delete/")
    visitor.send(current_password=PASSWORD)
    assert visitor.is_at("login")
    log_in(visitor, f"new.{email}")
    assert visitor.is_at("login")
    visitor.context.close()


def test_the_keyboard_is_enough(chromium: Browser, url: str, mailbox: Mailbox) -> None:
    """Tab visits what can be used in the order of the page, Enter sends, and errors get the focus."""
    visitor = visit(chromium, url, language="en", has_script=True, name="keyboard")
    register_and_verify(visitor, mailbox, "keys@example.org")
    page = visitor.page
    visitor.open("/auth/login/")
    visited = []
    for _ in range(6):
        page.keyboard.press("Tab")
        visited.append(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", visited
    assert visited == ["Notes", "f-email", "f-password", "Log in", "Forgot your password?", "Create an account"]

    visitor.open("/auth/login/")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type("keys@example.org")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "alert"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "f-password"
    described_by = page.locator("#f-password").get_attribute("aria-describedby") or ""
    assert page.locator(f"#{described_by}").inner_text() == "Fill in this field."
    page.keyboard.type(PASSWORD)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert visitor.is_at("account")
    visitor.context.close()


def test_no_other_site_sees_the_path_of_a_page(chromium: Browser, url: str) -> None:
    """The Referer of a request to another origin is the origin alone, so a token in the query stays here."""
    visitor = visit(chromium, url, language="en", has_script=True, name="referer")
    visitor.open("/auth/password/reset/confirm/?uid=u&token=secret")
    received: list[str] = []

    def answer(route: Route) -> None:
        received.append(route.request.headers.get("referer", ""))
        route.fulfill(body="elsewhere")

    visitor.page.route("http://elsewhere.test/", answer)
    visitor.page.evaluate("location.href = 'http://elsewhere.test/'")
    visitor.page.wait_for_url("http://elsewhere.test/")
    assert received == [f"{url}/"]
    visitor.context.close()


def test_a_page_of_another_site_cannot_log_a_browser_in(chromium: Browser, url: str, mailbox: Mailbox) -> None:
    """A form on 127.0.0.1 is another site than localhost."""
    visitor = visit(chromium, url, language="en", has_script=True, name="foreign")
    register_and_verify(visitor, mailbox, "mallory@example.org")
    foreign = url.replace("localhost", "127.0.0.1")
    victim = visit(chromium, foreign, language="en", has_script=True, name="victim")
    victim.page.route(
        "**/foreign",
        lambda route: route.fulfill(
            content_type="text/html",
            body=f'<form method="post" action="{url}/auth/login/"><input name="email" value="mallory@example.org">'
            f'<input name="password" value="{PASSWORD}"><button>x</button></form>',
        ),
    )
    victim.page.goto(f"{foreign}/foreign")
    with victim.page.expect_navigation():
        victim.page.click("button")
    assert "cross_site" in victim.page.content()
    assert victim.context.cookies() == []
    visitor.context.close()
    victim.context.close()
