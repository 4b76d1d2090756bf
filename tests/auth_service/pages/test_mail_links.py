"""The pages that links in mails open: a GET changes nothing, and the form uses the link once."""

from collections.abc import Callable

import pytest
from flask import Flask

from auth_service.accounts.mail_tokens import Purpose
from auth_service.mail.outbox import MailKind, QueuedMail
from auth_service.services import services
from tests.auth_service.conftest import MakeApp
from tests.auth_service.mail_links import mint
from tests.auth_service.pages.conftest import MakeBrowser
from tests.auth_service.pages.page_browser import PageBrowser
from tests.auth_service.world import PASSWORD, Operator, Person
from tests.clocks import MovableClock

EMAIL = "ann@example.org"
NEW_PASSWORD = "another long sentence"
ACTIVATE = "/auth/activate/confirm/"
RESET_PASSWORD = "/auth/password/reset/confirm/"
RESET_EMAIL = "/auth/email/reset/confirm/"

LinkTo = Callable[..., str]


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """The service with activation mails."""
    return make_app(SEND_ACTIVATION_EMAIL="on", PUBLIC_URL="https://notes.example.org")


@pytest.fixture
def link_to(app: Flask, clock: MovableClock) -> LinkTo:
    """Return a function that returns the path and query of a link in a mail to a user."""

    def link(path: str, purpose: Purpose, email: str = EMAIL) -> str:
        user = Operator(app).user(email)
        with app.app_context():
            made = mint(services().mail_tokens, purpose, user, clock())
        return f"{path}?uid={made.uid}&token={made.token}"

    return link


@pytest.fixture
def verified_browser(browser: PageBrowser, link_to: LinkTo) -> PageBrowser:
    """A browser without a session, of a user whose address is verified."""
    browser.register()
    browser.send(link_to(ACTIVATE, Purpose.ACTIVATION))
    return browser


def mails(app: Flask, clock: MovableClock) -> list[QueuedMail]:
    """Take all mails from the outbox."""
    found: list[QueuedMail] = []
    with app.app_context():
        while mail := services().outbox.claim(clock(), clock() + 60):
            found.append(mail)
            services().outbox.remove(mail)
    return found


def test_a_registration_asks_the_user_to_look_for_a_mail(
    app: Flask, browser: PageBrowser, clock: MovableClock
) -> None:
    """The user is not logged in, and cannot log in before the address is verified."""
    page = browser.register()
    assert (page.title, browser.handle) == ("Check your e-mail", "")
    assert "60 minutes" in page.html
    assert [(mail.kind, mail.email) for mail in mails(app, clock)] == [(MailKind.ACTIVATION, EMAIL)]
    assert browser.log_in().title == "Log in"


def test_opening_an_activation_link_changes_nothing_and_its_button_activates(
    browser: PageBrowser, link_to: LinkTo, operator: Operator
) -> None:
    """A mail scanner opens links, perhaps twice."""
    browser.register()
    link = link_to(ACTIVATE, Purpose.ACTIVATION)
    for _ in range(2):
        assert browser.page(link).title == "Confirm your e-mail address"
        assert not operator.user(EMAIL).is_active
    page = browser.send(link)
    assert page.notice == "Your e-mail address is confirmed. You can log in now."
    assert operator.user(EMAIL).is_active
    assert browser.log_in().title == "My account"


def test_an_activation_link_that_was_used_leads_to_the_log_in(browser: PageBrowser, link_to: LinkTo) -> None:
    browser.register()
    link = link_to(ACTIVATE, Purpose.ACTIVATION)
    browser.send(link)
    assert browser.send(link).notice == "Your e-mail address is confirmed. You can log in now."


def test_a_barred_user_is_not_activated(browser: PageBrowser, link_to: LinkTo, operator: Operator) -> None:
    browser.register()
    link = link_to(ACTIVATE, Purpose.ACTIVATION)
    operator.deactivate(EMAIL)
    assert browser.page(link).title == "This link does not work"
    uid, token = link.partition("?uid=")[2].split("&token=")
    assert browser.post(ACTIVATE, uid=uid, token=token).status_code == 400
    assert not operator.user(EMAIL).is_active


@pytest.mark.parametrize(
    ("path", "kind", "title"),
    [
        ("/auth/activate/", MailKind.ACTIVATION, "Send the activation mail again"),
        ("/auth/password/reset/", MailKind.PASSWORD_RESET, "Forgot your password?"),
        ("/auth/email/reset/", MailKind.EMAIL_RESET, "Change your e-mail address by mail"),
    ],
)
def test_a_request_for_a_mail_looks_the_same_for_known_and_unknown_addresses(
    app: Flask, browser: PageBrowser, clock: MovableClock, path: str, kind: MailKind, title: str
) -> None:
    browser.register()
    mails(app, clock)
    assert browser.page(path).title == title
    browser.language = "fr"
    answers = []
    for email in (EMAIL, "nobody@example.net"):
        response = browser.post(path, email=email)
        assert (response.status_code, response.headers["Location"]) == (303, f"{path}sent/")
        answers.append(browser.page(f"{path}sent/").html)
    assert answers[0] == answers[1]
    assert [(mail.kind, mail.email, mail.accept_language) for mail in mails(app, clock)] == [
        (kind, EMAIL, "fr"),
        (kind, "nobody@example.net", "fr"),
    ]


def test_a_malformed_address_is_shown_at_its_field(browser: PageBrowser) -> None:
    page = browser.send("/auth/password/reset/", email="no address")
    assert page.errors_of("email") == ["Enter an e-mail address such as ann@example.org."]
    assert page.field("email").attributes["value"] == "no address"


def test_too_many_requests_for_mails_are_refused(make_app: MakeApp, make_browser: MakeBrowser) -> None:
    browser = make_browser(make_app(MAIL_REQUESTS="1/hour"))
    browser.post("/auth/password/reset/", email=EMAIL)
    response = browser.post("/auth/password/reset/", email=EMAIL)
    assert response.status_code == 429
    assert "Too many attempts. Try again in 60 minutes." in response.text


def test_a_new_password_is_chosen_by_a_link(
    verified_browser: PageBrowser, other_browser: PageBrowser, link_to: LinkTo
) -> None:
    """It ends every session, and the link works once."""
    browser = verified_browser
    other_browser.log_in()
    link = link_to(RESET_PASSWORD, Purpose.PASSWORD_RESET)
    for _ in range(2):
        assert browser.page(link).title == "Choose a new password"
    page = browser.send(link, new_password=NEW_PASSWORD)
    assert (page.title, page.notice) == ("Log in", "Your password was changed. Log in with the new one.")
    assert other_browser.page("/auth/account/").title == "Log in"
    assert browser.page(link).title == "This link does not work"
    assert browser.log_in().title == "Log in"
    assert browser.log_in(password=NEW_PASSWORD).title == "My account"


def test_a_refused_password_keeps_the_link(verified_browser: PageBrowser, link_to: LinkTo) -> None:
    link = link_to(RESET_PASSWORD, Purpose.PASSWORD_RESET)
    page = verified_browser.send(link, new_password="short")
    assert page.errors_of("new_password") == ["This password is too short. Use at least 8 characters."]
    sent = verified_browser.post(RESET_PASSWORD, **{**page.hidden, "new_password": NEW_PASSWORD})
    assert sent.headers["Location"] == "/auth/login/?done=password"


def test_an_old_link_is_dead_and_leads_to_a_new_mail(
    verified_browser: PageBrowser, link_to: LinkTo, clock: MovableClock
) -> None:
    for path, purpose, again in (
        (RESET_PASSWORD, Purpose.PASSWORD_RESET, "/auth/password/reset/"),
        (RESET_EMAIL, Purpose.EMAIL_RESET, "/auth/email/reset/"),
        (ACTIVATE, Purpose.ACTIVATION, "/auth/activate/"),
    ):
        link = link_to(path, purpose)
        hidden = verified_browser.page(link).hidden
        clock.move(3_601)
        page = verified_browser.page(link)
        assert page.title == "This link does not work"
        assert again in page.links
        response = verified_browser.post(path, new_password=NEW_PASSWORD, new_email="a@example.org", **hidden)
        assert response.status_code == 400
        assert "This link does not work" in response.text


@pytest.mark.parametrize("query", ["", "?uid=x&token=y", "?uid=&token=", "?uid=%00&token=%00", "?token=1-a"])
@pytest.mark.parametrize("path", [ACTIVATE, RESET_PASSWORD, RESET_EMAIL])
def test_a_broken_link_is_dead(browser: PageBrowser, path: str, query: str) -> None:
    response = browser.open(path + query)
    assert (response.status_code, response.mimetype) == (400, "text/html")


def test_a_link_is_for_one_purpose(verified_browser: PageBrowser, link_to: LinkTo) -> None:
    link = link_to(RESET_PASSWORD, Purpose.EMAIL_RESET)
    assert verified_browser.page(link).title == "This link does not work"


def test_another_address_is_chosen_by_a_link(verified_browser: PageBrowser, link_to: LinkTo) -> None:
    page = verified_browser.send(link_to(RESET_EMAIL, Purpose.EMAIL_RESET), new_email="ann@example.com")
    assert page.notice == "Your e-mail address was changed. Log in with the new one."
    assert verified_browser.log_in("ann@example.com").title == "My account"


def test_another_address_is_chosen_with_the_password(
    app: Flask, verified_browser: PageBrowser, other_browser: PageBrowser, clock: MovableClock
) -> None:
    """The other sessions end, and the former address gets a mail."""
    browser = verified_browser
    browser.log_in()
    other_browser.log_in()
    page = browser.send("/auth/account/email/", new_email=EMAIL.upper() + "x", current_password="wrong-password")
    assert page.errors_of("current_password") == ["This is not your password."]
    page = browser.send("/auth/account/email/", new_email="ann@example.com", current_password=PASSWORD)
    assert page.notice == "Your e-mail address was changed."
    assert "ann@example.com" in page.html
    assert other_browser.page("/auth/account/").title == "Log in"
    assert (MailKind.EMAIL_CHANGED, EMAIL) in [(mail.kind, mail.email) for mail in mails(app, clock)]


def test_links_in_mails_lead_to_the_pages(app: Flask) -> None:
    with app.app_context():
        links = services().settings.links
    for kind, path in (
        (MailKind.ACTIVATION, ACTIVATE),
        (MailKind.PASSWORD_RESET, RESET_PASSWORD),
        (MailKind.EMAIL_RESET, RESET_EMAIL),
    ):
        assert links.link(kind, "U", "T") == f"https://notes.example.org{path}?uid=U&token=T"


@pytest.mark.parametrize(
    ("settings", "link"),
    [
        ({"PAGES": "off"}, "http://localhost:8000/password/reset/confirm/U/T"),
        ({"PAGES": "off", "APP_URL": "https://a.example"}, "https://a.example/password/reset/confirm/U/T"),
        ({"APP_URL": "https://a.example"}, "https://a.example/password/reset/confirm/U/T"),
        (
            {"APP_URL": "https://a.example", "PUBLIC_URL": "https://p.example"},
            "https://p.example/auth/password/reset/confirm/?uid=U&token=T",
        ),
        (
            {"PASSWORD_RESET_CONFIRM_URL": "#/reset/{uid}/{token}", "PUBLIC_URL": "https://p.example"},
            "https://p.example/#/reset/U/T",
        ),
        ({}, "http://localhost:8000/auth/password/reset/confirm/?uid=U&token=T"),
    ],
)
def test_settings_lead_links_elsewhere(make_app: MakeApp, settings: dict[str, str], link: str) -> None:
    """A path in a setting has precedence. Without the gateway's URL, links lead to the app."""
    with make_app(**settings).app_context():
        assert services().settings.links.link(MailKind.PASSWORD_RESET, "U", "T") == link


def test_retype_settings_add_fields(make_app: MakeApp, make_browser: MakeBrowser, ann: Person) -> None:
    names = ("USER_CREATE_PASSWORD_RETYPE", "SET_PASSWORD_RETYPE", "SET_EMAIL_RETYPE")
    browser = make_browser(make_app(**dict.fromkeys(names, "on")))
    page = browser.register("bob@example.com", re_password="other")
    assert page.summary.endswith("The two passwords are not the same.")
    browser.register("bob@example.com", re_password=PASSWORD)
    assert browser.page("/auth/account/password/").field("re_new_password")
    assert browser.page("/auth/account/email/").field("re_new_email")


def test_a_changed_password_ends_the_own_session_too_by_a_setting(
    make_app: MakeApp, make_browser: MakeBrowser
) -> None:
    browser = make_browser(make_app(LOGOUT_ON_PASSWORD_CHANGE="on"))
    browser.register()
    page = browser.send("/auth/account/password/", current_password=PASSWORD, new_password=NEW_PASSWORD)
    assert page.notice == "Your password was changed. Log in with the new one."
    assert browser.handle == ""


def test_no_log_line_contains_a_token(
    verified_browser: PageBrowser, link_to: LinkTo, capfd: pytest.CaptureFixture[str]
) -> None:
    link = link_to(RESET_PASSWORD, Purpose.PASSWORD_RESET)
    capfd.readouterr()
    verified_browser.send(link, new_password=NEW_PASSWORD)
    written = "".join(capfd.readouterr())
    assert RESET_PASSWORD in written
    assert link.partition("&token=")[2] not in written
