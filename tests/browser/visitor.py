"""A visitor with a browser: opens pages, fills in forms, and checks every page for accessibility."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

from tests.browser.accessibility import CheckedPages, violations

WAIT_MILLISECONDS = 45_000
"""How long a test waits for a page: a machine may be busy with other work."""
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 800}
TEXTS = {
    "en": {
        "login": "Log in",
        "account": "My account",
        "check_mail": "Check your e-mail",
        "activate": "Confirm your e-mail address",
        "reset": "Choose a new password",
        "dead_link": "This link does not work",
    },
    "fr": {
        "login": "Connexion",
        "account": "Mon compte",
        "check_mail": "Consultez vos e-mails",
        "activate": "Confirmez votre adresse e-mail",
        "reset": "Choisissez un nouveau mot de passe",
        "dead_link": "Ce lien ne fonctionne pas",
    },
}
"""The headings of pages."""
_CHECKED = CheckedPages()


@dataclass(slots=True)
class Visitor:
    """One browser profile. `url` is the gateway's. Without `has_script`, JavaScript is switched off."""

    url: str
    context: BrowserContext
    page: Page
    language: str
    has_script: bool
    name: str
    refusals: list[str] = field(default_factory=list)
    """What the Content-Security-Policy refused."""
    _pictures: int = 0

    def open(self, path: str) -> None:
        """Open a path of the gateway, or a whole URL."""
        self.page.goto(path if "://" in path else self.url + path)
        self.check()

    def send(self, **values: str) -> None:
        """Fill in the form of the page and send it by its button."""
        for name, value in values.items():
            self.page.fill(f"#f-{name}", value)
        self.press_button()

    def press_button(self, button: str = "main button") -> None:
        """Press a button, by default the first of the page, and check the page that follows."""
        with self.page.expect_navigation():
            self.page.locator(button).first.click()
        self.check()

    def check(self) -> None:
        """Check the page for accessibility, and take pictures of it if SALLYPORT_PICTURES names a folder."""
        assert not self.refusals, self.refusals
        assert self.page.locator("html").get_attribute("lang") == self.language
        width = self.page.viewport_size["width"] if self.page.viewport_size else 0
        if self.has_script:
            assert self.page.evaluate("document.documentElement.scrollWidth") <= width, "the page scrolls sideways"
            if _CHECKED.add(self.page):
                found = violations(self.page)
                assert found == [], (self.page.url, found)
        self._take_pictures()

    @property
    def title(self) -> str:
        """Return the heading of the page."""
        return str(self.page.locator("h1").inner_text()).replace("\N{NON-BREAKING HYPHEN}", "-")

    @property
    def notice(self) -> str:
        """Return the text that tells what was done."""
        return str(self.page.locator("[role=status]").inner_text())

    def is_at(self, name: str) -> bool:
        """Return whether the page has the heading `name` of TEXTS."""
        return self.title == TEXTS[self.language][name]

    def _take_pictures(self) -> None:
        folder = os.environ.get("SALLYPORT_PICTURES")
        if not folder or not self.has_script:
            return
        self._pictures += 1
        path = self.page.url.removeprefix(self.url).partition("?")[0].strip("/").replace("/", "-")
        for form, size, scheme in (("phone", PHONE, "light"), ("desktop", DESKTOP, "light"), ("dark", PHONE, "dark")):
            self.page.set_viewport_size(size)
            self.page.emulate_media(color_scheme=scheme)
            file = f"{self.name}-{self._pictures:02}-{path}-{form}.png"
            self.page.screenshot(path=Path(folder) / file, full_page=True)
        self.page.set_viewport_size(PHONE)
        self.page.emulate_media(color_scheme="light")


def visit(browser: Browser, url: str, *, language: str, has_script: bool, name: str = "visitor") -> Visitor:
    """Open a profile of its own in `browser`."""
    context = browser.new_context(
        java_script_enabled=has_script,
        locale={"en": "en-GB", "fr": "fr-FR"}[language],
        viewport=PHONE,
        reduced_motion="reduce",
    )
    context.set_default_timeout(WAIT_MILLISECONDS)
    visitor = Visitor(url, context, context.new_page(), language, has_script, f"{name}-{language}")

    def note(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or "Content-Security-Policy" in message.text:
            visitor.refusals.append(message.text)

    visitor.page.on("console", note)
    return visitor
