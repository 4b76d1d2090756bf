"""The staff pages in Chromium: manage a user, and enter the password again for a dangerous act."""

import subprocess
import sys

import pytest
from playwright.sync_api import Browser

from stack.plan import ROOT
from tests.browser.visitor import Visitor, visit
from tests.system.support.running_stack import RunningStack

PASSWORD = "two doors, one key"
STAFF = "/auth/staff/"

pytestmark = pytest.mark.timeout(300)


def create_user(stack: RunningStack, email: str, *options: str) -> None:
    """Create a user by the operator's command."""
    command = [sys.executable, "-m", "stack", "auth", "users", "create", email, *options]
    subprocess.run(
        command, cwd=ROOT, env=dict(stack.environ), input=f"{PASSWORD}\n", text=True, check=True, timeout=60
    )


def log_in(visitor: Visitor, email: str) -> None:
    visitor.open(f"/auth/login/?next={STAFF}")
    visitor.send(email=email, password=PASSWORD)
    assert visitor.page.url == visitor.url + STAFF


@pytest.mark.parametrize(("language", "has_script"), [("en", True), ("fr", True), ("en", False)])
def test_staff_manage_a_user(
    chromium: Browser, stack: RunningStack, url: str, language: str, has_script: bool
) -> None:
    staff, bob = (f"{name}.{language}.{has_script}@example.org".lower() for name in ("staff", "bob"))
    create_user(stack, staff, "--staff")
    create_user(stack, bob, "--first-name", "Bob", "--role", "beta")
    visitor = visit(chromium, url, language=language, has_script=has_script, name="staff")
    log_in(visitor, staff)
    assert visitor.page.locator("svg.chart").count() == 4
    visitor.page.locator("summary").click()
    visitor.check()

    visitor.open(f"{STAFF}users/")
    visitor.send(search=bob)
    assert visitor.page.locator(".rows > li").count() == 1
    with visitor.page.expect_navigation():
        visitor.page.get_by_role("link", name=bob).click()
    visitor.check()
    user = visitor.page.url
    visitor.open(f"{user}roles/")
    visitor.send(roles="admin")
    assert visitor.page.locator("[role=alert]").count() == 1
    visitor.send(roles="editor")
    assert "editor" in visitor.page.locator("main").inner_text()
    visitor.open(f"{user}deactivate/")
    visitor.press_button()
    assert visitor.notice
    visitor.press_button("form[action$='activate/'] button")
    visitor.open(f"{STAFF}confirm/?next={user.removeprefix(url)}delete/")
    visitor.send(current_password="wrong")
    assert visitor.page.locator("#f-current_password").get_attribute("aria-invalid") == "true"
    visitor.send(current_password=PASSWORD)
    assert visitor.page.url == f"{user}delete/"
    for path in ("users/create/", "users/invite/", "sessions/", "audit/", "keys/", "gateways/"):
        visitor.open(STAFF + path)
    assert visitor.page.locator(".rows > li").count() > 0, "the upstreams of the gateway of the stack"
    visitor.context.close()
