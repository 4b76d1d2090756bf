"""The log-in page: it opens a browser session, leads to `next`, and shows errors at the fields."""

import pytest
from flask import Flask

from contract.problems import Refused
from tests.auth_service.conftest import MakeApp
from tests.auth_service.pages.conftest import MakeBrowser
from tests.auth_service.pages.page_browser import PageBrowser
from tests.auth_service.tokens import hooks
from tests.auth_service.world import PASSWORD, Operator, Person
from tests.clocks import MovableClock


def test_a_log_in_sets_the_cookie_and_leads_to_the_account(browser: PageBrowser, ann: Person) -> None:
    page = browser.log_in(ann.email, PASSWORD)
    assert page.title == "My account"
    (cookie,) = browser.cookies
    assert cookie.endswith(f"; Max-Age={365 * 86_400}")


def test_a_log_in_leads_to_next(browser: PageBrowser, ann: Person) -> None:
    page = browser.page("/auth/login/?next=/d/abc%3ForgId%3D1")
    assert page.hidden == {"next": "/d/abc?orgId=1"}
    response = browser.post("/auth/login/", email=ann.email, password=PASSWORD, **page.hidden)
    assert (response.status_code, response.headers["Location"]) == (303, "/d/abc?orgId=1")


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example/", "/\\evil.example", "/%09/evil.example"]
)
def test_a_foreign_next_is_dropped(browser: PageBrowser, ann: Person, target: str) -> None:
    """From the query, and also from a form that was changed."""
    assert browser.page(f"/auth/login/?next={target}").hidden == {}
    response = browser.post("/auth/login/", email=ann.email, password=PASSWORD, next=target)
    assert response.headers["Location"] == "/auth/account/"


def test_wrong_credentials_are_refused_without_the_password(browser: PageBrowser, ann: Person) -> None:
    """An unknown address gets the same page."""
    response = browser.post("/auth/login/", email=ann.email, password="wrong-password", next="/x")
    assert response.status_code == 401
    assert browser.handle == ""
    page = browser.send("/auth/login/", email=ann.email, password="wrong-password", next="/x")
    assert page.summary.endswith("The e-mail address or the password is wrong.")
    assert page.field("email").attributes["value"] == ann.email
    assert "wrong-password" not in page.html
    assert page.hidden == {"next": "/x"}
    unknown = browser.send("/auth/login/", email="ann@example.net", password="wrong-password", next="/x")
    assert unknown.html.replace("example.net", "example.org") == page.html


def test_errors_stand_at_their_fields_and_the_summary_has_the_focus(browser: PageBrowser) -> None:
    page = browser.send("/auth/login/")
    assert page.errors_of("email") == page.errors_of("password") == ["Fill in this field."]
    assert page.field("email").attributes["aria-invalid"] == "true"
    (summary,) = [element for element in page.elements if element.attributes.get("role") == "alert"]
    assert "autofocus" in summary.attributes
    assert summary.attributes["tabindex"] == "-1"
    assert {"#f-email", "#f-password"} <= set(page.links)
    assert page.all("title")[0].text.startswith("Error: Log in")
    assert [element.name for element in page.elements if "autofocus" in element.attributes] == ["div"]


@pytest.mark.parametrize(
    ("language", "summary"),
    [("en", "Password: Fill in this field."), ("fr", "Mot de passe\u202f: Remplissez ce champ.")],
)
def test_the_summary_has_the_punctuation_of_the_language(browser: PageBrowser, language: str, summary: str) -> None:
    browser.language = language
    assert summary in [link.text for link in browser.send("/auth/login/").all("a")]


def test_a_log_in_ends_the_session_of_the_cookie(browser: PageBrowser, ann: Person) -> None:
    browser.log_in(ann.email, PASSWORD)
    old = browser.handle
    response = browser.post("/auth/login/", email=ann.email, password=PASSWORD)
    assert response.status_code == 303
    assert browser.handle not in ("", old)
    browser.handle, new = old, browser.handle
    assert browser.page("/auth/account/").title == "Log in"
    browser.handle = new
    assert browser.page("/auth/account/").title == "My account"


def test_a_user_who_is_logged_in_is_led_on(browser: PageBrowser, ann: Person) -> None:
    """The page does not redirect, so that no loop of redirects is possible."""
    browser.log_in(ann.email, PASSWORD)
    page = browser.page("/auth/login/?next=/d/abc")
    assert page.title == "You are logged in"
    assert "/d/abc" in page.links


def test_too_many_attempts_are_refused_with_the_time_to_wait(
    make_app: MakeApp, make_browser: MakeBrowser, ann: Person
) -> None:
    browser = make_browser(make_app(LOGIN_FAILURES="1/5 minutes"))
    browser.log_in(ann.email, "wrong-password")
    response = browser.post("/auth/login/", email=ann.email, password=PASSWORD)
    assert response.status_code == 429
    assert int(response.headers["Retry-After"]) >= 290
    assert "Too many attempts. Try again in 5 minutes." in response.text


def test_a_deactivated_user_cannot_log_in(browser: PageBrowser, ann: Person, operator: Operator) -> None:
    operator.deactivate(ann.email)
    assert browser.log_in(ann.email, PASSWORD).title == "Log in"


def test_a_form_of_another_site_does_not_log_in(browser: PageBrowser, ann: Person) -> None:
    """Otherwise a foreign page could log a browser in to the account of an attacker."""
    body = f"email={ann.email}&password={PASSWORD}".encode()
    form = (b"content-type", b"application/x-www-form-urlencoded")
    for evidence in ([], [(b"sec-fetch-site", b"cross-site")], [(b"origin", b"https://evil.example")]):
        with pytest.raises(Refused) as refused:
            browser.open("/auth/login/", form, *evidence, method="POST", body=body)
        assert refused.value.code == "cross_site"


def test_a_form_that_no_gateway_has_checked_is_refused(app: Flask, ann: Person) -> None:
    """Without the gateway's offer there is no handle for the session."""
    client = app.test_client()
    for headers in ({}, {"X-Session-Offer": "x"}):
        response = client.post("/auth/login/", data={"email": ann.email, "password": PASSWORD}, headers=headers)
        assert (response.status_code, response.mimetype) == (403, "text/html")


def test_an_expired_session_leads_to_the_log_in_page_and_back(
    browser: PageBrowser, ann: Person, clock: MovableClock
) -> None:
    browser.log_in(ann.email, PASSWORD)
    clock.move(366 * 86_400)
    response = browser.open("/auth/account/sessions/?x=1")
    assert (response.status_code, response.headers["Location"]) == (
        303,
        "/auth/login/?next=/auth/account/sessions/%3Fx%3D1",
    )


def test_a_link_on_another_site_loads_the_page_again(browser: PageBrowser, ann: Person) -> None:
    """Browsers send a SameSite=Strict cookie only with the second request, which comes from the own site."""
    cross_site = ((b"sec-fetch-site", b"cross-site"), (b"sec-fetch-dest", b"document"))
    html = browser.open("/auth/account/?x=1", *cross_site).text
    assert '<meta http-equiv="refresh" content="0;url=/auth/account/?x=1">' in html
    browser.log_in(ann.email, PASSWORD)
    assert browser.page("/auth/account/", *cross_site).title == "My account"


def test_a_log_in_without_its_claims_shows_the_form_again(make_app: MakeApp, make_browser: MakeBrowser) -> None:
    hooks.reset()
    hooks.answers.append(hooks.fail)
    app = make_app(CLAIMS_HOOK="tests.auth_service.tokens.hooks:answer")
    ann = Person(app.test_client())
    ann.register()
    browser = make_browser(app)
    response = browser.post("/auth/login/", email=ann.email, password=PASSWORD)
    assert (response.status_code, browser.handle) == (503, "")
    assert int(response.headers["Retry-After"]) > 0
    page = browser.send("/auth/login/", email=ann.email, password=PASSWORD)
    assert page.summary.endswith("The service is busy or being maintained. Try again in a moment.")
    assert page.field("email").attributes["value"] == ann.email
