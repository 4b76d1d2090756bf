"""What staff do on the staff pages, and what holds for each of them."""

import base64
import hashlib
import re

import pytest

from tests.auth_service.admin_pages.conftest import BOB, STAFF, StaffPages
from tests.auth_service.pages.conftest import MakeBrowser
from tests.auth_service.pages.page_browser import Page

PAGES = ["", "users/", "users/create/", "users/invite/", "sessions/", "audit/", "gateways/", "keys/", "confirm/"]
ACTS = ["", "roles/", "deactivate/", "delete/"]


def pages_of(staff_pages: StaffPages) -> list[tuple[str, Page]]:
    """Return every staff page with its path."""
    paths = [STAFF + page for page in PAGES] + [staff_pages.page_of(BOB, act) for act in ACTS]
    return [(path, staff_pages.browser.page(path)) for path in paths]


def test_no_page_has_a_script_a_token_or_an_inline_style(staff_pages: StaffPages) -> None:
    for path, page in pages_of(staff_pages):
        assert staff_pages.browser.response
        assert not page.all("script"), path
        assert not [one for one in page.elements if {"style", "onclick", "onload"} & set(one.attributes)], path
        targets = [one.attributes.get(name, "") for one in page.elements for name in ("href", "src", "action")]
        assert all(target.startswith(("/", "#", "data:,")) for target in targets if target), path
        assert "eyJ" not in page.html, path
        ids = [one.attributes["id"] for one in page.elements if "id" in one.attributes]
        assert len(ids) == len(set(ids)), path
        labels = {label.attributes["for"] for label in page.all("label")}
        fields = [one for one in page.all("input") + page.all("select") if one.attributes.get("type") != "hidden"]
        assert all(one.attributes["id"] in labels for one in fields if "hidden" not in one.attributes), path


def test_the_policy_allows_the_style_sheet_alone_and_no_frame(staff_pages: StaffPages) -> None:
    response = staff_pages.browser.open(STAFF)
    (style,) = re.findall(r"<style>(.*?)</style>", response.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; ")
    assert "frame-ancestors 'none'" in policy
    assert (response.headers["X-Frame-Options"], response.headers["Cache-Control"]) == ("DENY", "no-store")


def test_every_page_is_in_french(staff_pages: StaffPages) -> None:
    staff_pages.browser.language = "fr"
    for path, page in pages_of(staff_pages):
        text = page.all("main")[0].text.lower()
        assert not re.search(r"\b(password|account|log in|save|users?|search|role|never|find)\b", text), path


def test_users_are_searched_and_shown(staff_pages: StaffPages) -> None:
    page = staff_pages.browser.page(f"{STAFF}users/?search=bob")
    assert "Users found: 1" in page.html
    assert staff_pages.page_of(BOB) in page.links
    assert page.field("search").attributes["value"] == "bob"
    assert "Users found: 0" in staff_pages.browser.page(f"{STAFF}users/?role=nothing").html
    user = staff_pages.browser.page(staff_pages.page_of(BOB))
    assert user.title == BOB
    assert "registered" in user.html
    assert staff_pages.browser.open(f"{STAFF}users/{'0' * 8}-0000-0000-0000-{'0' * 12}/").status_code == 404


def test_roles_are_changed_and_every_session_of_the_user_ends(
    staff_pages: StaffPages, make_browser: MakeBrowser
) -> None:
    bob = make_browser(staff_pages.app)
    bob.log_in(BOB)
    page = staff_pages.browser.send(staff_pages.page_of(BOB, "roles/"), roles="beta  editor")
    assert "The roles were changed" in page.notice
    assert staff_pages.operator.user(BOB).roles == "beta editor"
    changed = next(
        record
        for record in staff_pages.operator.audit()
        if record.event == "roles_changed" and record.user_id == staff_pages.operator.user(BOB).id
    )
    assert changed.detail["actor"] == str(staff_pages.operator.user("ann@example.org").id)
    assert bob.open("/auth/account/").status_code == 303


def test_refusals_are_shown_in_words(staff_pages: StaffPages) -> None:
    send = staff_pages.browser.send
    assert "This role is protected" in send(staff_pages.page_of(BOB, "roles/"), roles="admin").summary
    assert "is not the name of a role" in send(staff_pages.page_of(BOB, "roles/"), roles="a,b").summary
    own = staff_pages.page_of("ann@example.org", "deactivate/")
    assert "You cannot do this to your own account" in send(own).summary
    assert "You cannot do this" in send(staff_pages.page_of("ann@example.org", "delete/")).summary
    assert "at least 8 characters" in send(f"{STAFF}users/create/", email="eve@example.org", password="x").summary
    assert staff_pages.operator.user("ann@example.org").is_staff


def test_a_user_is_deactivated_activated_and_deleted(staff_pages: StaffPages) -> None:
    browser = staff_pages.browser
    assert "deactivated" in browser.send(staff_pages.page_of(BOB, "deactivate/")).notice
    assert not staff_pages.operator.user(BOB).is_active
    back = browser.post(staff_pages.page_of(BOB, "activate/")).headers["Location"]
    assert browser.page(back).notice == "The user can log in now."
    assert staff_pages.operator.user(BOB).is_active
    assert browser.send(staff_pages.page_of(BOB, "delete/")).notice == "The user was deleted."
    assert "Users found: 1" in browser.page(f"{STAFF}users/").html


def test_a_user_is_created_and_another_one_invited(staff_pages: StaffPages, make_browser: MakeBrowser) -> None:
    send = staff_pages.browser.send
    created = send(f"{STAFF}users/create/", email="eve@example.org", password="Tr0ub4dor&3x", roles="beta")
    assert created.notice == "The user was created."
    assert staff_pages.operator.user("eve@example.org").roles == "beta"
    assert make_browser(staff_pages.app).log_in("eve@example.org").title == "My account"
    assert send(f"{STAFF}users/invite/", email="dan@example.org").notice == "The invitation was sent."
    again = staff_pages.browser.post(staff_pages.page_of("dan@example.org", "invitation/"))
    assert again.headers["Location"].endswith("?done=invited")
    assert staff_pages.operator.mails() == [("invitation", "dan@example.org")] * 2


def test_sessions_are_listed_and_ended(staff_pages: StaffPages, make_browser: MakeBrowser) -> None:
    bob, browser = make_browser(staff_pages.app), staff_pages.browser
    bob.log_in(BOB)
    page = browser.page(f"{STAFF}sessions/")
    forms = [form.attributes["action"] for form in page.all("form") if form.attributes.get("method") == "post"]
    assert len(forms) == 2
    of_bob = [path for path in forms if path.startswith(staff_pages.page_of(BOB))]
    assert browser.page(browser.post(of_bob[0]).headers["Location"]).notice == "The sessions have ended."
    browser.post(staff_pages.page_of(BOB, "sessions/end/"))
    assert bob.open("/auth/account/").status_code == 303
    assert "There is no live session." in browser.page(staff_pages.page_of(BOB)).html


def test_a_dangerous_form_without_a_page_is_repeated_after_the_password(staff_pages: StaffPages) -> None:
    staff_pages.after_ten_minutes()
    location = staff_pages.browser.post(staff_pages.page_of(BOB, "sessions/end/")).headers["Location"]
    page = staff_pages.confirm(staff_pages.browser.page(location))
    assert (page.title, "Please repeat" in page.notice) == (BOB, True)
    assert staff_pages.browser.post(staff_pages.page_of(BOB, "sessions/end/")).headers["Location"].endswith("=ended")


def test_the_audit_log_is_filtered(staff_pages: StaffPages) -> None:
    page = staff_pages.browser.page(f"{STAFF}audit/?event=registered&user={BOB}")
    assert [one.text for one in page.elements if one.attributes.get("class") == "event"] == ["registered"]
    staff_pages.browser.send(staff_pages.page_of(BOB, "roles/"), roles="beta")
    assert "actor: ann@example.org" in staff_pages.browser.page(f"{STAFF}audit/?event=roles_changed&user={BOB}").html
    wrong = staff_pages.browser.page(f"{STAFF}audit/?since=yesterday&user=nobody@example.org")
    assert wrong.errors_of("user") == ["No user has this id or e-mail address."]
    assert wrong.field("since").attributes["value"] == "yesterday"
    dated = staff_pages.browser.page(f"{STAFF}audit/?since=yesterday")
    assert dated.errors_of("since") == ["Enter a date or a time, such as 2027-06-01 or 2027-06-01T12:00:00Z."]


def test_the_first_page_draws_the_log_ins_of_a_day(staff_pages: StaffPages) -> None:
    page = staff_pages.browser.page(STAFF)
    assert len(page.all("svg")) == 4
    assert [bar.text.split(": ")[1] for bar in page.all("rect")] == ["3", "2"], "log-ins and registrations"
    assert len(page.all("tr")) == 25


def test_the_only_staff_user_who_deletes_the_account_reads_why_not(staff_pages: StaffPages) -> None:
    page = staff_pages.browser.send("/auth/account/delete/", current_password="Tr0ub4dor&3x")
    assert "No other active user has the role staff" in page.summary


@pytest.mark.parametrize("path", ["users/", "sessions/", "audit/"])
def test_a_long_list_continues_on_the_same_host(
    staff_pages: StaffPages, make_browser: MakeBrowser, path: str
) -> None:
    make_browser(staff_pages.app).log_in(BOB)
    page = staff_pages.browser.page(f"{STAFF}{path}?page_size=1")
    (following,) = [link for link in page.all("a") if link.attributes.get("rel") == "next"]
    assert following.attributes["href"].startswith(f"{STAFF}{path}?page_size=1&")
    assert staff_pages.browser.page(following.attributes["href"]).title == page.title


@pytest.mark.parametrize("path", ["users/?page=9", "nothing/"])
def test_what_does_not_exist_is_not_found(staff_pages: StaffPages, path: str) -> None:
    assert staff_pages.browser.open(STAFF + path).status_code == 404
