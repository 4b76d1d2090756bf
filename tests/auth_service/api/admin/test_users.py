"""Staff list, search, deactivate and activate users, and change their roles."""

import pytest
from flask import Flask

from tests.auth_service.forge import claims_of
from tests.auth_service.world import PASSWORD, Operator, Person

USERS = "/auth/admin/users/"
OWN_ACCOUNT = {
    "detail": "Staff cannot deactivate themselves or give up their role staff: another staff user can.",
    "code": "own_account",
}


def test_every_endpoint_is_for_staff_only(app: Flask, ann: Person) -> None:
    """A user without the role gets 403, and a request without a token 401, with every method."""
    rules = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/auth/admin/")]
    assert len(rules) > 8
    for rule in rules:
        path = rule.rule.replace("<uuid:user_id>", ann.id).replace("<string(length=32):sid>", "0" * 32)
        for method in ("GET", "POST", "PUT", "DELETE"):
            refused = ann.call(method, path)
            assert refused.status_code == 403, path
            assert refused.json == {"detail": "You do not have permission to perform this action."}
            assert ann.client.open(path, method=method).status_code == 401, path


def test_staff_who_lose_the_role_are_refused_at_once(staff: Person, operator: Operator) -> None:
    operator.grant(staff.email)
    assert staff.call("GET", USERS).status_code == 401, "the session has ended"
    staff.log_in()
    assert staff.call("GET", USERS).status_code == 403


def test_a_user_is_listed_with_roles_status_and_times(ann: Person, staff: Person) -> None:
    listed = staff.call("GET", f"{USERS}?search=ann").json
    assert listed
    assert (listed["count"], listed["next"], listed["previous"]) == (1, None, None)
    (user,) = listed["results"]
    assert user == {
        "id": ann.id,
        "email": "ann@example.org",
        "first_name": "",
        "last_name": "",
        "roles": [],
        "status": "active",
        "language": "",
        "created_at": "2027-01-15T08:00:00.000Z",
        "last_login_at": "2027-01-15T08:00:00.000Z",
        "email_verified_at": None,
    }
    assert staff.call("GET", f"{USERS}{ann.id}/").json == user
    assert PASSWORD not in str(user)


def test_a_change_of_a_name_is_recorded_with_who_made_it(ann: Person, staff: Person, operator: Operator) -> None:
    path = f"/auth/users/{ann.id}/"
    assert staff.call("PATCH", path, json={"first_name": "Anna"}).status_code == 200
    assert ann.call("PATCH", path, json={"last_name": "Lee"}).status_code == 200
    changed = [record for record in operator.audit() if record.event == "profile_changed"]
    assert [(str(record.user_id), record.detail) for record in changed] == [
        (ann.id, {"actor": staff.id}),
        (ann.id, {}),
    ]


def test_the_list_is_selected_and_paginated(ann: Person, staff: Person, operator: Operator) -> None:
    def emails(query: str) -> list[str]:
        answer = staff.call("GET", f"{USERS}{query}").json
        assert answer
        return [user["email"] for user in answer["results"]]

    operator.deactivate(ann.email)
    assert emails("?status=barred") == [ann.email]
    assert emails("?role=staff") == [staff.email]
    assert emails("?role=sta") == emails("?role=%25") == emails("?search=nobody") == emails("?search=%00zz") == []
    assert len(emails("?page_size=1")) == 1
    assert staff.call("GET", f"{USERS}?page_size=1&role=staff").json["next"] is None  # type: ignore[index]
    second = staff.call("GET", f"{USERS}?page_size=1").json
    assert second
    assert second["next"] == f"{USERS}?page_size=1&page=2"
    assert staff.call("GET", f"{USERS}?search={'x+' * 21}").status_code == 400
    assert staff.call("GET", f"{USERS}?status=asleep").json == {
        "status": ["Must be one of: unverified, active, barred."]
    }


@pytest.mark.parametrize("path", ["", "roles/", "sessions/", "audit/", "activate/", "deactivate/", "invitation/"])
def test_an_unknown_user_is_answered_404(staff: Person, path: str) -> None:
    unknown = f"{USERS}00000000-0000-4000-8000-000000000000/{path}"
    methods = {"": "GET", "sessions/": "GET", "audit/": "GET", "roles/": "PUT"}
    answer = staff.call(methods.get(path, "POST"), unknown, json={"roles": []})
    assert (answer.status_code, answer.json) == (404, {"detail": "No User matches the given query."})


def test_new_roles_are_in_the_next_token_and_end_the_sessions_with_the_old_ones(ann: Person, staff: Person) -> None:
    changed = staff.call("PUT", f"{USERS}{ann.id}/roles/", json={"roles": ["beta", "team:blue", "beta"]})
    assert changed.status_code == 200
    assert changed.json
    assert changed.json["roles"] == ["beta", "team:blue"]
    assert ann.me().status_code == 401
    assert ann.refresh_with(ann.refresh).status_code == 401
    ann.log_in()
    assert claims_of(ann.access)["roles"] == "beta team:blue"


def test_the_same_roles_end_no_session(ann: Person, staff: Person, operator: Operator) -> None:
    operator.grant(ann.email, "a", "b")
    ann.log_in()
    assert staff.call("PUT", f"{USERS}{ann.id}/roles/", json={"roles": ["b", "a"]}).status_code == 200
    assert ann.me().status_code == 200


@pytest.mark.parametrize(
    ("roles", "reason"),
    [
        (["two words"], "is not the name of a role"),
        (["a,b"], "is not the name of a role"),
        ([""], "is not the name of a role"),
        (["\u00e9t\u00e9"], "is not the name of a role"),
        (["x\n"], None),
        (["x" * 65], "at most 64 characters"),
        ([f"role-{number:058}" for number in range(5)], "together must have at most 255"),
        ("staff", None),
        (None, "may not be null"),
        (7, "Enter a list"),
        ([7], "Enter a list"),
        ([["x"]], "Enter a list"),
        (["x"] * 101, "Enter a list of at most 100"),
    ],
)
def test_roles_are_checked_and_the_error_names_the_field(
    ann: Person, staff: Person, roles: object, reason: str | None
) -> None:
    answer = staff.call("PUT", f"{USERS}{ann.id}/roles/", json={"roles": roles})
    if reason is None:  # white space at the ends is removed; a text is split, as forms need it
        assert answer.status_code == 200
        return
    assert answer.status_code == 400
    assert answer.json
    assert list(answer.json) == ["roles"]
    assert reason in answer.json["roles"][0]


def test_a_role_from_an_import_may_stay(ann: Person, staff: Person, operator: Operator) -> None:
    operator.grant(ann.email, "R&D,x")
    answer = staff.call("PUT", f"{USERS}{ann.id}/roles/", json={"roles": ["R&D,x", "beta"]})
    assert answer.status_code == 200


def test_a_deactivated_user_is_logged_out_and_can_be_activated(ann: Person, staff: Person) -> None:
    deactivated = staff.call("POST", f"{USERS}{ann.id}/deactivate/")
    assert deactivated.json
    assert (deactivated.status_code, deactivated.json["status"]) == (200, "barred")
    assert ann.me().json == {"detail": "User is inactive", "code": "user_inactive"}
    assert ann.log_in().status_code == 401
    activated = staff.call("POST", f"{USERS}{ann.id}/activate/")
    assert activated.json
    assert (activated.status_code, activated.json["status"]) == (200, "active")
    assert ann.log_in().status_code == 200


def test_staff_cannot_lock_themselves_out(ann: Person, staff: Person, operator: Operator) -> None:
    """Neither with another staff user nor without one."""
    for _ in range(2):
        for method, path, body in (("POST", "deactivate/", {}), ("PUT", "roles/", {"roles": ["beta"]})):
            answer = staff.call(method, f"{USERS}{staff.id}/{path}", json=body)
            assert (answer.status_code, answer.json) == (409, OWN_ACCOUNT)
        operator.grant(ann.email, "staff")
    assert staff.call("PUT", f"{USERS}{staff.id}/roles/", json={"roles": ["staff", "beta"]}).status_code == 200


def test_the_last_staff_user_cannot_delete_the_own_account(ann: Person, staff: Person, operator: Operator) -> None:
    for path in ("/auth/users/me/", f"/auth/users/{staff.id}/"):
        answer = staff.call("DELETE", path, json={"current_password": staff.password})
        assert answer.status_code == 409
        assert answer.json == {
            "detail": "No other active user has the role staff: grant it first.",
            "code": "last_staff",
        }
    operator.grant(ann.email, "staff")
    answer = staff.call("DELETE", "/auth/users/me/", json={"current_password": staff.password})
    assert answer.status_code == 204


def test_staff_can_remove_other_staff_users(ann: Person, staff: Person, operator: Operator) -> None:
    operator.grant(ann.email, "staff")
    assert staff.call("PUT", f"{USERS}{ann.id}/roles/", json={"roles": []}).status_code == 200
    operator.grant(ann.email, "staff")
    assert staff.call("POST", f"{USERS}{ann.id}/deactivate/").status_code == 200
