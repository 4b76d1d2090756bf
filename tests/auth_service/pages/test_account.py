"""The pages of the account: registration, names and language, password, devices, log out and delete."""

import pytest
from flask import Flask

from tests.auth_service.conftest import MakeApp
from tests.auth_service.pages.conftest import MakeBrowser
from tests.auth_service.pages.page_browser import Page, PageBrowser
from tests.auth_service.world import PASSWORD, Operator, Person

NEW_PASSWORD = "another long sentence"
ACCOUNT_PAGES = [
    "/auth/account/",
    "/auth/account/profile/",
    "/auth/account/email/",
    "/auth/account/password/",
    "/auth/account/sessions/",
    "/auth/account/log-out/",
    "/auth/account/delete/",
]


def test_a_registration_logs_in_and_leads_to_next(browser: PageBrowser, operator: Operator) -> None:
    page = browser.page("/auth/register/?next=/notes")
    response = browser.post(
        "/auth/register/", email="ann@example.org", password=PASSWORD, first_name="Ann", last_name="", **page.hidden
    )
    assert (response.status_code, response.headers["Location"]) == (303, "/notes")
    assert operator.user("ann@example.org").first_name == "Ann"
    assert browser.page("/auth/account/").title == "My account"


def test_a_registration_tells_errors_at_the_fields_and_keeps_what_was_typed(browser: PageBrowser) -> None:
    page = browser.register("ann@example.org", "1234567")
    assert page.errors_of("password") == [
        "This password is too short. Use at least 8 characters.",
        "This password is too common.",
        "This password has only digits. Add some letters.",
    ]
    assert browser.register(first_name="A" * 151).errors_of("first_name") == ["Enter at most 150 characters."]
    assert page.field("email").attributes["value"] == "ann@example.org"
    assert "1234567" not in page.html


def test_a_taken_address_is_shown_at_its_field(browser: PageBrowser, ann: Person) -> None:
    assert browser.register(ann.email).errors_of("email") == ["There is already an account with this e-mail address."]


@pytest.mark.parametrize("path", ACCOUNT_PAGES)
def test_every_page_of_the_account_needs_a_session(browser: PageBrowser, path: str) -> None:
    response = browser.open(path)
    assert (response.status_code, response.headers["Location"]) == (303, f"/auth/login/?next={path}")


@pytest.mark.parametrize(
    "path",
    [
        *(path for path in ACCOUNT_PAGES if path not in ("/auth/account/", "/auth/account/sessions/")),
        "/auth/account/sessions/end-all/",
        "/auth/account/sessions/end-others/",
        "/auth/account/sessions/x/end/",
    ],
)
def test_a_form_without_a_session_changes_nothing(browser: PageBrowser, path: str) -> None:
    response = browser.post(path, current_password=PASSWORD, new_password=NEW_PASSWORD)
    assert (response.status_code, response.headers["Location"]) == (303, "/auth/login/?next=/auth/account/")
    assert browser.cookies == []


def test_names_and_language_are_changed(browser: PageBrowser, operator: Operator) -> None:
    browser.register()
    page = browser.send("/auth/account/profile/", first_name="Ann", last_name="O'Hara & <b>", language="fr")
    assert page.notice == "Vos modifications ont été enregistrées."
    assert "Ann O&#39;Hara &amp; &lt;b&gt;" in page.html
    user = operator.user("ann@example.org")
    assert (user.first_name, user.last_name, user.language) == ("Ann", "O'Hara & <b>", "fr")
    assert browser.page("/auth/account/").all("html")[0].attributes["lang"] == "fr"
    assert browser.send("/auth/account/profile/", language="").notice == "Your changes were saved."


def test_an_unknown_language_is_refused(browser: PageBrowser, operator: Operator) -> None:
    browser.register()
    assert browser.post("/auth/account/profile/", first_name="X", language="xx").status_code == 400
    assert operator.user("ann@example.org").first_name == ""


def test_a_new_password_ends_the_other_sessions(browser: PageBrowser, other_browser: PageBrowser) -> None:
    browser.register()
    other_browser.log_in()
    page = browser.send("/auth/account/password/", current_password=PASSWORD, new_password=NEW_PASSWORD)
    assert page.notice == "Your password was changed. You are logged out on all other devices."
    assert other_browser.page("/auth/account/").title == "Log in"
    assert other_browser.log_in(password=NEW_PASSWORD).title == "My account"


def test_a_wrong_current_password_is_shown_at_its_field(browser: PageBrowser) -> None:
    browser.register()
    for path in ("/auth/account/password/", "/auth/account/delete/"):
        page = browser.send(path, current_password="wrong-password", new_password=NEW_PASSWORD)
        assert page.errors_of("current_password") == ["This is not your password."]


def test_the_devices_are_named_and_the_own_one_is_marked(browser: PageBrowser, other_browser: PageBrowser) -> None:
    browser.register()
    other_browser.log_in()
    page = browser.page("/auth/account/sessions/")
    text = " ".join(page.all("main")[0].text.split())
    assert text.index("Firefox on Linux this device") < text.index("Safari on iPhone")
    assert "Address: 192.0.2.1" in text
    actions = [form.attributes["action"] for form in page.all("form")]
    (end,) = [action for action in actions if "end-" not in action]
    assert browser.post(end).headers["Location"] == "/auth/account/sessions/?done=ended"
    assert browser.post(end).status_code == 303  # the second time, as of an impatient user
    assert other_browser.page("/auth/account/").title == "Log in"
    assert browser.page("/auth/account/").title == "My account"


def test_a_session_of_another_user_cannot_be_ended(
    browser: PageBrowser, other_browser: PageBrowser, bob: Person, operator: Operator
) -> None:
    browser.register()
    sid = operator.session_of(bob.access).id
    browser.post(f"/auth/account/sessions/{sid}/end/")
    assert bob.me().status_code == 200


def test_log_out_of_the_other_devices_keeps_the_own_one(browser: PageBrowser, other_browser: PageBrowser) -> None:
    browser.register()
    other_browser.log_in()
    browser.post("/auth/account/sessions/end-others/")
    assert other_browser.page("/auth/account/").title == "Log in"
    assert browser.page("/auth/account/").title == "My account"


def test_log_out_everywhere_ends_every_session_and_clears_the_cookie(
    browser: PageBrowser, other_browser: PageBrowser
) -> None:
    browser.register()
    other_browser.log_in()
    response = browser.post("/auth/account/sessions/end-all/")
    assert browser.handle == ""
    assert browser.page(response.headers["Location"]).notice == "You are logged out on all devices."
    assert other_browser.page("/auth/account/").title == "Log in"


def test_a_log_out_asks_first_and_clears_the_cookie(browser: PageBrowser) -> None:
    """A GET logs nobody out: a foreign page could cause it."""
    browser.register()
    assert browser.page("/auth/account/log-out/").title == "Log out?"
    assert browser.page("/auth/account/").title == "My account"
    page = browser.send("/auth/account/log-out/")
    assert (page.title, page.notice, browser.handle) == ("Log in", "You are logged out.", "")


def test_a_deleted_account_is_gone(browser: PageBrowser) -> None:
    browser.register()
    page = browser.send("/auth/account/delete/", current_password=PASSWORD)
    assert (page.notice, browser.handle) == ("Your account was deleted.", "")
    assert browser.log_in().summary.endswith("The e-mail address or the password is wrong.")


def test_pages_can_be_switched_off(make_app: MakeApp, make_browser: MakeBrowser) -> None:
    browser = make_browser(make_app(PAGES="off"))
    for path in ("/auth/login/", *ACCOUNT_PAGES):
        assert browser.open(path).status_code == 404


def test_an_unknown_page_is_a_page(browser: PageBrowser) -> None:
    for path in ("/auth/account/nothing/", "/auth/login/x", "/auth/account/sessions/end-all/"):
        response = browser.open(path)
        assert (response.status_code, response.mimetype) == (404, "text/html")
        assert Page(response.text).title == "Page not found"


def test_the_api_answers_as_before_beside_the_pages(app: Flask) -> None:
    client = app.test_client()
    assert client.get("/auth/nothing/").json == {"detail": "Not found."}
    assert client.post("/auth/logout/").status_code == 401
