"""Dangerous acts need a password that was entered a short time ago, in the session that acts."""

from collections.abc import Iterator

import pytest
from werkzeug.test import TestResponse

from tests.auth_service.conftest import MakeApp
from tests.auth_service.forge import claims_of
from tests.auth_service.world import PASSWORD, Operator, Person
from tests.clocks import MovableClock

USERS = "/auth/admin/users/"
REAUTHENTICATE = "/auth/sessions/reauthenticate/"
REFUSED = {
    "detail": "Enter your password again, because this act needs a recent log-in.",
    "code": "insufficient_user_authentication",
    "max_age": 600,
}


def dangerous_acts(staff: Person, user: Person) -> Iterator[TestResponse]:
    """Yield the response of each dangerous act, the deletion last."""
    path = f"{USERS}{user.id}/"
    yield staff.call("PUT", f"{path}roles/", json={"roles": ["beta"]})
    user.log_in()
    yield staff.call("DELETE", f"{path}sessions/{claims_of(user.access)['sid']}/")
    yield staff.call("DELETE", f"{path}sessions/")
    yield staff.call("POST", f"{path}deactivate/")
    yield staff.call("POST", USERS, json={"email": "eve@example.org", "password": PASSWORD, "roles": ["staff"]})
    yield staff.call("POST", "/auth/admin/invitations/", json={"email": "dan@example.org", "roles": ["staff"]})
    yield staff.call("DELETE", path)


def reauthenticate(person: Person, password: str = PASSWORD) -> TestResponse:
    return person.call("POST", REAUTHENTICATE, json={"current_password": password})


def test_a_dangerous_act_needs_the_password_again_after_ten_minutes(
    ann: Person, staff: Person, operator: Operator, clock: MovableClock
) -> None:
    clock.move(300)
    staff.refresh_tokens()
    clock.move(301)
    staff.refresh_tokens()
    for refused in dangerous_acts(staff, ann):
        assert (refused.status_code, refused.json) == (403, REFUSED)
        assert refused.headers["WWW-Authenticate"] == (
            'Bearer realm="api", error="insufficient_user_authentication", max_age="600"'
        )
    assert operator.user(ann.email).is_active
    assert operator.user(ann.email).roles == ""
    assert staff.call("GET", USERS).json["count"] == 2  # type: ignore[index]

    assert reauthenticate(staff).status_code == 204
    assert [done.status_code for done in dangerous_acts(staff, ann)] == [200, 204, 204, 200, 201, 201, 204]
    events = [record.event for record in operator.audit() if str(record.user_id) == staff.id]
    assert events[-1] == "reauthenticated"


def test_the_time_is_that_of_the_session_that_acts(ann: Person, staff: Person, clock: MovableClock) -> None:
    """Another session of the user, a refresh, and a wrong password do not count."""
    clock.move(601)
    other = Person(staff.client, staff.email)
    other.log_in()
    assert reauthenticate(other).status_code == 204
    staff.refresh_tokens()
    wrong = reauthenticate(staff, "wrong")
    assert (wrong.status_code, wrong.json) == (400, {"current_password": ["Invalid password."]})
    assert staff.call("POST", f"{USERS}{ann.id}/deactivate/").json == REFUSED
    assert other.call("POST", f"{USERS}{ann.id}/deactivate/").status_code == 200


def test_reading_and_an_invitation_without_roles_need_no_recent_password(
    ann: Person, staff: Person, clock: MovableClock
) -> None:
    clock.move(86_400)
    staff.refresh_tokens()
    assert staff.call("GET", f"{USERS}{ann.id}/sessions/").status_code == 200
    assert staff.call("POST", "/auth/admin/invitations/", json={"email": "dan@example.org"}).status_code == 201


def test_passwords_are_not_guessed_by_reauthentication(staff: Person) -> None:
    statuses = [reauthenticate(staff, "wrong").status_code for _ in range(11)]
    assert statuses == [400] * 10 + [429]
    assert reauthenticate(staff).status_code == 429


def test_it_needs_an_access_token(staff: Person) -> None:
    assert staff.post(REAUTHENTICATE, current_password=PASSWORD).status_code == 401


def test_the_time_is_a_setting(make_app: MakeApp, clock: MovableClock) -> None:
    app = make_app(STEP_UP_MAX_AGE="60")
    staff = Person(app.test_client(), "staff@example.org")
    staff.register()
    Operator(app).grant(staff.email, "staff")
    staff.log_in()
    clock.move(61)
    refused = staff.call("DELETE", f"{USERS}{staff.id}/sessions/")
    assert refused.json == {**REFUSED, "max_age": 60}


@pytest.mark.parametrize("role", ["admin", "billing"])
def test_only_holders_of_a_protected_role_give_and_take_it(make_app: MakeApp, role: str) -> None:
    app = make_app(PROTECTED_ROLES="admin, billing")
    operator, client = Operator(app), app.test_client()
    ann, staff, chief = Person(client), Person(client, "staff@example.org"), Person(client, "chief@example.org")
    for person in (ann, staff, chief):
        person.register()
    operator.grant(staff.email, "staff")
    operator.grant(chief.email, "staff", role)
    staff.log_in()
    chief.log_in()
    refusal = {
        "detail": "Only staff who hold a protected role can give or take it, and manage users who hold it.",
        "code": "protected_role",
        "role": role,
    }

    def refused(*acts: TestResponse) -> bool:
        return all((act.status_code, act.json) == (403, refusal) for act in acts)

    ann_path, chief_path = f"{USERS}{ann.id}/", f"{USERS}{chief.id}/"
    assert refused(
        staff.call("PUT", f"{ann_path}roles/", json={"roles": [role]}),
        staff.call("PUT", f"{USERS}{staff.id}/roles/", json={"roles": ["staff", role]}),
        staff.call("POST", "/auth/admin/invitations/", json={"email": "dan@example.org", "roles": [role]}),
        staff.call("POST", USERS, json={"email": "d@example.org", "password": PASSWORD, "roles": [role]}),
        staff.call("PUT", f"{chief_path}roles/", json={"roles": ["staff"]}),
        staff.call("POST", f"{chief_path}deactivate/"),
        staff.call("DELETE", f"{chief_path}sessions/"),
        staff.call("DELETE", chief_path),
        staff.call("DELETE", f"/auth/users/{chief.id}/", json={"current_password": PASSWORD}),
        staff.call("PATCH", f"/auth/users/{chief.id}/", json={"first_name": "Eve"}),
        staff.call("PUT", f"/auth/users/{chief.id}/", json={"first_name": "Eve"}),
    )
    refusal["role"] = role.upper()
    assert refused(staff.call("PUT", f"{ann_path}roles/", json={"roles": [role.upper()]}))
    refusal["role"] = role
    assert chief.call("PUT", f"{ann_path}roles/", json={"roles": [role]}).status_code == 200
    assert refused(staff.call("PUT", f"{ann_path}roles/", json={"roles": []}), staff.call("DELETE", ann_path))
    assert chief.call("PUT", f"{ann_path}roles/", json={"roles": ["beta"]}).status_code == 200
    assert staff.call("PUT", f"{ann_path}roles/", json={"roles": ["staff"]}).status_code == 200
    assert chief.call("PATCH", f"/auth/users/{chief.id}/", json={"first_name": "Chief"}).status_code == 200


def test_a_role_in_another_case_does_not_make_its_user_a_holder(make_app: MakeApp) -> None:
    """Such as one that an import or an operator has given."""
    app = make_app(PROTECTED_ROLES="admin")
    ann, staff = Person(app.test_client()), Person(app.test_client(), "staff@example.org")
    for person in (ann, staff):
        person.register()
    Operator(app).grant(staff.email, "staff", "Admin")
    staff.log_in()
    for role in ("admin", "Admin"):
        refused = staff.call("PUT", f"{USERS}{ann.id}/roles/", json={"roles": [role]})
        assert (refused.status_code, refused.json["role"]) == (403, role)  # type: ignore[index]


def test_a_wrong_password_is_recorded_with_the_session_in_which_it_was_entered(
    staff: Person, operator: Operator
) -> None:
    """So that a thief of a session who guesses the password is seen."""
    sid = claims_of(staff.access)["sid"]
    reauthenticate(staff, "wrong")
    (failed,) = (record for record in operator.audit() if record.event == "login_failed")
    assert (str(failed.user_id), failed.session) == (staff.id, sid)
    assert failed.detail == {"reason": "wrong password"}
    reauthenticate(staff)
    assert [record.event for record in operator.audit()].count("login_failed") == 1


def test_staff_cannot_delete_themselves_here(staff: Person, operator: Operator) -> None:
    refused = staff.call("DELETE", f"{USERS}{staff.id}/")
    assert (refused.status_code, refused.json["code"]) == (409, "own_account")  # type: ignore[index]
    assert operator.user(staff.email).is_staff


def test_a_created_user_can_log_in_with_the_roles(staff: Person, operator: Operator) -> None:
    body = {"email": "eve@example.org", "password": PASSWORD, "roles": ["beta"], "first_name": "Eve"}
    created = staff.call("POST", USERS, json=body)
    assert created.status_code == 201
    assert created.json
    assert (created.json["status"], created.json["roles"], created.json["first_name"]) == ("active", ["beta"], "Eve")
    eve = Person(staff.client, "eve@example.org")
    assert eve.log_in().status_code == 200
    assert claims_of(eve.access)["roles"] == "beta"
    registered = next(record for record in operator.audit() if str(record.user_id) == created.json["id"])
    assert (registered.event, registered.detail) == ("registered", {"roles": "beta", "actor": staff.id})
    weak = staff.call("POST", USERS, json={**body, "email": "f@example.org", "password": "short"})
    assert (weak.status_code, list(weak.json or {})) == (400, ["password"])
    taken = staff.call("POST", USERS, json=body)
    assert (taken.status_code, list(taken.json or {})) == (400, ["email"])


def test_the_next_page_of_a_list_has_the_same_filter(staff: Person, ann: Person) -> None:
    listed = staff.call("GET", f"{USERS}?status=active&page_size=1").json
    assert listed
    assert listed["next"] == f"{USERS}?status=active&page_size=1&page=2"
