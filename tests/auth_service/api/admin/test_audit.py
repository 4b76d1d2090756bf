"""Every act of staff is in the audit trail of the account: who did what, and from where."""

from typing import Any

from tests.auth_service.forge import claims_of
from tests.auth_service.world import Operator, Person

ADMIN = "/auth/admin/users/"


def trail(person: Person, path: str) -> list[dict[str, Any]]:
    """Return the events at `path`, the oldest first."""
    answer = person.call("GET", path)
    assert answer.status_code == 200
    assert answer.json
    return list(reversed(answer.json["results"]))


def test_the_audit_trail_of_a_user_is_paginated(ann: Person, staff: Person) -> None:
    path = f"{ADMIN}{ann.id}/audit/"
    first = staff.call("GET", f"{path}?page_size=1").json
    assert first
    assert (first["count"], first["next"]) == (2, f"{path}?page_size=1&page=2")
    last = staff.call("GET", first["next"]).json
    assert last
    assert (last["previous"], last["next"]) == (f"{path}?page_size=1", None)
    assert [page["results"][0]["event"] for page in (first, last)] == ["login_ok", "registered"]


def test_each_act_is_recorded_with_the_staff_user(ann: Person, staff: Person, operator: Operator) -> None:
    path = f"{ADMIN}{ann.id}/"
    staff.call("PUT", f"{path}roles/", json={"roles": ["beta"]})
    ann.log_in()
    sid = claims_of(ann.access)["sid"]
    staff.call("DELETE", f"{path}sessions/{sid}/")
    staff.call("POST", f"{path}deactivate/")
    staff.call("POST", f"{path}activate/")
    actor = {"actor": staff.id}
    recorded = [(record["event"], record["detail"]) for record in trail(staff, f"{path}audit/")]
    assert recorded == [
        ("registered", {}),
        ("login_ok", {}),
        ("roles_changed", {"roles": "beta", "former_roles": "", **actor}),
        ("session_revoked", {"reason": "roles changed", **actor}),
        ("login_ok", {}),
        ("session_revoked", {"reason": "ended by an operator", **actor}),
        ("deactivated", actor),
        ("activated", {"reason": "activated by an operator", **actor}),
    ]


def test_the_owner_does_not_learn_which_staff_user_acted_nor_from_where(ann: Person, staff: Person) -> None:
    staff.call("PUT", f"{ADMIN}{ann.id}/roles/", json={"roles": ["beta"]})
    ann.log_in()
    own = trail(ann, "/auth/audit/")
    changed = next(record for record in own if record["event"] == "roles_changed")
    assert changed["detail"] == {"roles": "beta", "former_roles": "", "actor": "staff"}
    assert (changed["address"], changed["device"]) == ("", "")
    seen = trail(staff, f"{ADMIN}{ann.id}/audit/")
    changed = next(record for record in seen if record["event"] == "roles_changed")
    assert changed["address"] == "127.0.0.1"
    assert staff.id not in str(own)


def test_a_deletion_by_staff_has_the_actor_and_one_by_the_owner_has_none(
    ann: Person, staff: Person, operator: Operator
) -> None:
    staff.call("DELETE", f"/auth/users/{ann.id}/", json={"current_password": staff.password})
    operator.grant(Person(ann.client, "eve@example.org").register().json["email"], "staff")  # type: ignore[index]
    staff.call("DELETE", "/auth/users/me/", json={"current_password": staff.password})
    deletions = [record for record in operator.audit() if record.event == "deleted"]
    assert [(str(record.user_id), record.detail) for record in deletions] == [
        (ann.id, {"actor": staff.id}),
        (staff.id, {}),
    ]
