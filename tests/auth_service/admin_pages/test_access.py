"""Only staff open the staff pages, and a dangerous act needs a password that was entered a short time ago."""

import pytest
from flask import Flask

from auth_service.admin_pages.paths import STAFF_PAGES
from contract.problems import Refused
from tests.auth_service.admin_pages.conftest import BOB, STAFF, StaffPages
from tests.auth_service.conftest import MakeApp
from tests.auth_service.pages.conftest import MakeBrowser
from tests.auth_service.pages.page_browser import PageBrowser
from tests.auth_service.world import Operator

DANGEROUS = ["roles/", "deactivate/", "delete/"]


def every_page(user_id: str) -> list[tuple[str, str]]:
    """Return the method and the path of each staff page."""
    paths = {
        rule: f"/auth{rule}".replace("<uuid:user_id>", user_id).replace("<string(length=32):sid>", "0" * 32)
        for rule in STAFF_PAGES
    }
    return [(method, paths[rule]) for rule, views in STAFF_PAGES.items() for method in views]


def send(browser: PageBrowser, method: str, path: str) -> tuple[int, str]:
    """Send a request; return the status and the Location."""
    response = browser.post(path) if method == "POST" else browser.open(path)
    return response.status_code, response.headers.get("Location", "")


def test_users_without_the_role_get_403_and_nobody_the_log_in_page(
    staff_pages: StaffPages, app: Flask, make_browser: MakeBrowser
) -> None:
    bob_id = str(staff_pages.operator.user(BOB).id)
    nobody, bob = make_browser(app), make_browser(app)
    bob.log_in(BOB)
    before = len(staff_pages.operator.audit())
    pages = every_page(bob_id)
    assert len(pages) > 15
    for method, path in pages:
        assert send(bob, method, path) == (403, ""), path
        status, location = send(nobody, method, path)
        assert (status, location.startswith("/auth/login/")) == (303, True), path
    assert len(staff_pages.operator.audit()) == before, "no act was done"


def test_without_the_setting_there_are_no_staff_pages(make_app: MakeApp, make_browser: MakeBrowser) -> None:
    app = make_app()
    browser = make_browser(app)
    browser.register()
    Operator(app).grant("ann@example.org", "staff")
    browser.log_in()
    assert browser.open(STAFF).status_code == 404
    assert browser.post(f"{STAFF}users/create/").status_code == 404
    assert STAFF not in browser.page("/auth/account/").links


def test_staff_find_the_pages_from_their_account(staff_pages: StaffPages, make_browser: MakeBrowser) -> None:
    assert STAFF in staff_pages.browser.page("/auth/account/").links
    bob = make_browser(staff_pages.app)
    bob.log_in(BOB)
    assert STAFF not in bob.page("/auth/account/").links


@pytest.mark.parametrize("act", DANGEROUS)
def test_the_page_of_a_dangerous_act_asks_for_the_password_and_comes_back(staff_pages: StaffPages, act: str) -> None:
    staff_pages.after_ten_minutes()
    path = staff_pages.page_of(BOB, act)
    form_page = staff_pages.browser.page(path)
    assert (form_page.title, form_page.hidden) == ("Confirm your password", {"next": path})
    wrong = staff_pages.confirm(form_page, "wrong")
    assert wrong.errors_of("current_password") == ["This is not your password."]
    page = staff_pages.confirm(wrong)
    assert page.title in ("Change roles", "Deactivate", "Delete user")
    assert staff_pages.operator.audit()[-1].event == "reauthenticated"


def test_no_form_does_a_dangerous_act_without_a_recent_password(staff_pages: StaffPages) -> None:
    sent = [
        (f"{STAFF}users/create/", {"email": "eve@example.org", "password": "Tr0ub4dor&3x", "roles": "staff"}),
        (f"{STAFF}users/invite/", {"email": "dan@example.org", "roles": "staff"}),
        (staff_pages.page_of(BOB, "roles/"), {"roles": "staff"}),
        (staff_pages.page_of(BOB, "deactivate/"), {}),
        (staff_pages.page_of(BOB, "sessions/end/"), {}),
        (staff_pages.page_of(BOB, f"sessions/{'0' * 32}/end/"), {}),
        (staff_pages.page_of(BOB, "delete/"), {}),
    ]
    staff_pages.after_ten_minutes()
    before = len(staff_pages.operator.audit())
    for path, values in sent:
        location = staff_pages.browser.post(path, **values).headers["Location"]
        assert location.startswith(f"{STAFF}confirm/?next={STAFF}users/"), path
        assert staff_pages.browser.open(location).status_code == 200
    assert len(staff_pages.operator.audit()) == before


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/auth/account/delete/", "/d/"])
def test_the_form_leads_back_to_staff_pages_only(staff_pages: StaffPages, target: str) -> None:
    sent = staff_pages.browser.post(f"{STAFF}confirm/", next=target, current_password="Tr0ub4dor&3x")
    assert (sent.status_code, sent.headers["Location"]) == (303, STAFF)


def test_a_form_of_another_site_is_refused(staff_pages: StaffPages) -> None:
    form = (b"content-type", b"application/x-www-form-urlencoded")
    path = staff_pages.page_of(BOB, "deactivate/")
    with pytest.raises(Refused, match="cross_site"):
        staff_pages.browser.open(path, form, (b"sec-fetch-site", b"cross-site"), method="POST")
    assert staff_pages.operator.user(BOB).is_active
