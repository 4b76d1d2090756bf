"""Staff read the sessions and the audit trail of all users, the signing keys and the figures."""

from typing import Any

import pytest

from tests.auth_service.forge import claims_of
from tests.auth_service.world import Operator, Person
from tests.clocks import MovableClock

AUDIT, SESSIONS, FIGURES = "/auth/admin/audit/", "/auth/admin/sessions/", "/auth/admin/figures/"


def read(staff: Person, path: str) -> Any:
    """Return the body of a 200."""
    response = staff.call("GET", path)
    assert response.status_code == 200, response.text
    return response.json


def test_the_audit_trail_of_all_users_is_filtered_and_continued(
    ann: Person, staff: Person, clock: MovableClock
) -> None:
    clock.move(3_600)
    staff.log_in()
    staff.call("PUT", f"/auth/admin/users/{ann.id}/roles/", json={"roles": ["beta"]})
    everything = read(staff, AUDIT)
    assert everything["next"] is None
    newest = everything["results"][1]
    assert (newest["event"], newest["email"], newest["user_id"]) == ("roles_changed", ann.email, ann.id)
    assert newest["detail"]["actor"] == staff.id
    assert [event["id"] for event in everything["results"]] == sorted(
        (event["id"] for event in everything["results"]), reverse=True
    )

    def events(query: str) -> list[str]:
        return [record["event"] for record in read(staff, AUDIT + query)["results"]]

    assert events(f"?actor={staff.id}") == ["session_revoked", "roles_changed"]
    assert events(f"?user={ann.id}") == events(f"?user={ann.email}")
    assert events("?event=registered") == ["registered", "registered"]
    assert events("?address=192.0.2.1") == []
    assert len(events("?address=127.0.0.1")) == len(everything["results"]) - 2, "the operator has no address"
    hour_ago = everything["results"][-1]["at"]
    assert events(f"?until={hour_ago}") == []
    assert len(events(f"?since={hour_ago}")) == len(everything["results"])
    first = read(staff, f"{AUDIT}?event=login_ok&page_size=2")
    assert first["next"] == f"{AUDIT}?event=login_ok&page_size=2&before={first['results'][-1]['id']}"
    assert len(read(staff, first["next"])["results"]) == 2


@pytest.mark.parametrize(
    "query",
    ["event=nothing", "user=nobody", "user=nobody@example.org", "since=yesterday", "before=x", f"before={2**63}"],
)
def test_a_wrong_filter_is_named(staff: Person, query: str) -> None:
    refused = staff.call("GET", f"{AUDIT}?{query}")
    assert refused.status_code == 400
    assert list(refused.json or {}) == [query.split("=")[0]]


def test_the_live_sessions_of_all_users_are_listed_the_newest_first(ann: Person, staff: Person) -> None:
    found = read(staff, SESSIONS)
    assert {session["email"] for session in found["results"]} == {ann.email, staff.email}
    assert found["next"] is None
    sids = {session["id"] for session in found["results"]}
    assert {claims_of(ann.access)["sid"], claims_of(staff.access)["sid"]} == sids
    first = read(staff, f"{SESSIONS}?page_size=1")
    assert first["next"] == f"{SESSIONS}?page_size=1&offset=1"
    assert read(staff, first["next"])["results"][0]["id"] in sids - {first["results"][0]["id"]}
    assert read(staff, f"{SESSIONS}?address=192.0.2.1") == {"next": None, "results": []}
    ann.log_out()
    assert [session["email"] for session in read(staff, SESSIONS)["results"]] == [staff.email]


def test_the_figures_count_users_sessions_and_log_ins_by_hour(
    ann: Person, staff: Person, operator: Operator, clock: MovableClock
) -> None:
    clock.move(7_200)
    staff.log_in()
    ann.log_in()
    ann.post("/auth/jwt/create/", email=ann.email, password="wrong")
    operator.deactivate(ann.email)
    figures = read(staff, FIGURES)
    assert figures["users"] == {"unverified": 0, "active": 1, "barred": 1}
    assert figures["live_sessions"] == 2
    assert figures["mails_waiting"] == 0
    assert len(figures["hours"]) == 24
    assert figures["hours"][-1]["counts"] == {
        "login_ok": 2,
        "login_failed": 1,
        "registered": 0,
        "replay_detected": 0,
    }
    assert figures["hours"][-3]["counts"]["login_ok"] == 3
    assert sum(hour["counts"]["login_ok"] for hour in figures["hours"]) == 5


def test_the_keys_have_no_private_part(staff: Person) -> None:
    (key,) = read(staff, "/auth/admin/keys/")
    assert key.keys() == {"role", "kid", "algorithm", "tokens_expire_at"}
    assert (key["role"], key["algorithm"]) == ("signing", "RS256")
