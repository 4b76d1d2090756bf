"""The page that the link of an invitation opens: the invited user chooses a password there."""

import pytest
from flask import Flask

from auth_service.accounts.mail_tokens import Purpose
from auth_service.accounts.user import NewUser
from auth_service.services import services
from tests.auth_service.conftest import MakeApp
from tests.auth_service.pages.page_browser import PageBrowser
from tests.auth_service.world import PASSWORD, Operator
from tests.clocks import MovableClock

DAN = "dan@example.org"


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """The service with a user who was invited."""
    app = make_app(PUBLIC_URL="https://notes.example.org")
    with app.app_context():
        services().administration.invite(NewUser(DAN, ""), ["beta"], by=None)
    return app


def link_of(app: Flask) -> str:
    """Return the path and query of the link in an invitation that is sent now."""
    link = Operator(app).link(Purpose.INVITATION, DAN)
    return f"/auth/invitation/confirm/?uid={link.uid}&token={link.token}"


def test_an_invited_user_chooses_a_password_and_logs_in(app: Flask, browser: PageBrowser) -> None:
    link = link_of(app)
    assert browser.page(link).title == "Welcome"
    page = browser.send(link, new_password=PASSWORD)
    assert page.notice == "Your password is saved. You can log in now."
    assert browser.page(link).title == "This link does not work"
    assert browser.log_in(DAN).title == "My account"


def test_the_link_in_the_mail_leads_to_the_page(app: Flask, clock: MovableClock) -> None:
    with app.app_context():
        links = services().settings.links
        mail = services().outbox.claim(clock(), clock() + 60)
    assert mail
    assert links.link(mail.kind, "UID", "TOKEN") == (
        "https://notes.example.org/auth/invitation/confirm/?uid=UID&token=TOKEN"
    )


def test_a_refused_password_keeps_the_link_and_an_old_link_leads_to_a_new_mail(
    app: Flask, browser: PageBrowser, clock: MovableClock
) -> None:
    link = link_of(app)
    page = browser.send(link, new_password="short")
    assert page.errors_of("new_password") == ["This password is too short. Use at least 8 characters."]
    clock.move(3_601)
    assert "/auth/invitation/" in browser.page(link).links
    browser.post("/auth/invitation/", email=DAN)
    assert Operator(app).mails() == [("invitation", DAN), ("password_reset", DAN)]
