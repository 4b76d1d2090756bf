"""/api/notes/: users read and change their own notes, staff may read those of others."""

from uuid import uuid4

import pytest
from flask import Flask

from contract.identity import IDENTITY_HEADER
from tests.clocks import MovableClock
from tests.host_echo import HOST, requests_that_echo_host
from tests.resource_service.callers import Caller


def test_a_new_note_can_be_read_at_its_location(ada: Caller) -> None:
    response = ada.post(title="Bread", body="500 g flour")
    note = response.get_json()
    assert response.status_code == 201
    assert response.headers["Location"] == f"/api/notes/{note['id']}/"
    assert note["owner"] == "ada-id"
    assert ada.get(response.headers["Location"]).get_json() == note


def test_times_are_utc_and_only_a_change_sets_updated_at(ada: Caller, clock: MovableClock) -> None:
    note = ada.write("Bread")  # at the time of a new MovableClock
    assert note["created_at"] == note["updated_at"] == "2027-01-15T08:00:00.000000Z"
    clock.move(1.5)
    unchanged = ada.patch(note["id"]).get_json()
    assert unchanged == note
    changed = ada.patch(note["id"], body="500 g flour").get_json()
    assert changed == {**note, "body": "500 g flour", "updated_at": "2027-01-15T08:00:01.500000Z"}
    assert ada.get(f"/api/notes/{note['id']}/").get_json() == changed


def test_a_body_may_be_missing_or_blank_and_is_not_trimmed(ada: Caller) -> None:
    assert ada.post(title="Bread").get_json()["body"] == ""
    assert ada.write("Bread", body="")["body"] == ""
    assert ada.write("  Bread ", body="  two\n spaces ")["body"] == "  two\n spaces "


def test_a_title_is_trimmed(ada: Caller) -> None:
    assert ada.write("  Bread ")["title"] == "Bread"


def test_the_longest_title_and_body_are_stored_unchanged(ada: Caller) -> None:
    note = ada.write("🥖" * 200, body="ß" * 10_000)
    assert ada.get(f"/api/notes/{note['id']}/").get_json() == note


def test_a_client_cannot_choose_owner_id_or_times(ada: Caller, bob: Caller) -> None:
    attempted = {"owner": "bob-id", "id": str(uuid4()), "created_at": "1999-01-01T00:00:00Z"}
    note = ada.post(title="Bread", **attempted).get_json()
    assert note["owner"] == "ada-id"
    assert note["id"] != attempted["id"]
    assert note["created_at"].startswith("2027")
    ada.patch(note["id"], owner="bob-id")
    assert bob.titles() == []


def test_a_deleted_note_is_answered_404(ada: Caller) -> None:
    note = ada.write()
    response = ada.call("DELETE", f"/api/notes/{note['id']}/")
    assert (response.status_code, response.data) == (204, b"")
    assert ada.get(f"/api/notes/{note['id']}/").status_code == 404
    assert ada.call("DELETE", f"/api/notes/{note['id']}/").status_code == 404


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_the_note_of_another_owner_is_answered_404_like_an_unknown_note(
    ada: Caller, bob: Caller, method: str
) -> None:
    note = ada.write()
    adas = bob.call(method, f"/api/notes/{note['id']}/", json={"title": "Bob was here"})
    unknown = bob.call(method, f"/api/notes/{uuid4()}/", json={"title": "Bob was here"})
    assert adas.status_code == unknown.status_code == 404
    assert {**adas.get_json(), "request_id": ""} == {**unknown.get_json(), "request_id": ""}
    assert ada.get(f"/api/notes/{note['id']}/").get_json() == note


def test_staff_can_read_any_note_but_change_only_their_own(ada: Caller, staff: Caller) -> None:
    note = ada.write()
    path = f"/api/notes/{note['id']}/"
    assert staff.get(path).get_json() == note
    assert staff.patch(note["id"], title="Corrected").status_code == 404
    assert staff.call("DELETE", path).status_code == 404
    assert ada.get(path).get_json() == note


def test_the_list_has_the_callers_notes_newest_first(ada: Caller, bob: Caller, clock: MovableClock) -> None:
    for title in ("first", "second", "third"):
        ada.write(title)
        clock.move(0.001)
    bob.write("Bob's")
    assert ada.titles() == ["third", "second", "first"]


def test_the_next_links_lead_through_every_note(ada: Caller, clock: MovableClock) -> None:
    for number in range(5):
        ada.write(f"{number}")
        clock.move(1)
    path, pages = "/api/notes/?page_size=2", []
    while path:
        page = ada.get(path).get_json()
        assert page["count"] == 5
        pages.append([note["title"] for note in page["results"]])
        path = page["next"]
    assert pages == [["4", "3"], ["2", "1"], ["0"]]
    assert page["previous"] == "/api/notes/?page=2&page_size=2"


def test_a_page_past_the_end_is_empty(ada: Caller) -> None:
    ada.write()
    page = ada.get("/api/notes/?page=9").get_json()
    assert (page["count"], page["results"], page["next"]) == (1, [], None)


def test_the_page_size_is_20_by_default_and_at_most_100(ada: Caller) -> None:
    for number in range(21):
        ada.write(f"{number}")
    assert len(ada.titles()) == 20
    assert len(ada.titles("?page_size=100")) == 21
    assert ada.get("/api/notes/?page_size=101").status_code == 400


def test_links_contain_the_search_and_no_host(ada: Caller) -> None:
    ada.write("50 % & more")
    ada.write("50 % & more")
    ada.extra_headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    page = ada.get("/api/notes/?q=%25+%26&page_size=1").get_json()
    assert page["next"] == "/api/notes/?page=2&page_size=1&q=%25+%26"
    assert ada.get(page["next"]).get_json()["count"] == 2
    assert ada.post(title="x").headers["Location"].startswith("/api/notes/")


def test_a_search_matches_title_and_body_regardless_of_case(ada: Caller, bob: Caller) -> None:
    ada.write("Bread", body="flour")
    ada.write("Soup", body="with BREAD")
    ada.write("Tea")
    bob.write("Bread of Bob")
    assert sorted(ada.titles("?q=bread")) == ["Bread", "Soup"]


@pytest.mark.parametrize("searched", ["%", "_", "/", "\\", "'", '"', "100%"])
def test_sql_wildcards_in_a_search_match_literally(ada: Caller, searched: str) -> None:
    ada.write("plain")
    ada.write(f"it has {searched} inside")
    page = ada.client.get("/api/notes/", query_string={"q": searched}, headers={"X-Identity": ada.assertion})
    assert [note["title"] for note in page.get_json()["results"]] == [f"it has {searched} inside"]


def test_staff_can_list_notes_of_other_owners(ada: Caller, bob: Caller, staff: Caller) -> None:
    ada.write("Ada's")
    bob.write("Bob's")
    staff.write("Own")
    assert staff.titles() == ["Own"]
    assert staff.titles("?owner=ada-id") == ["Ada's"]
    assert sorted(staff.titles("?owner=*")) == sorted(staff.titles("?owner=")) == ["Ada's", "Bob's", "Own"]
    assert staff.titles("?owner=nobody") == []
    assert staff.titles("?owner=*&q=ada") == ["Ada's"]


def test_other_users_may_name_only_themselves_as_owner(ada: Caller, bob: Caller) -> None:
    bob.write("Bob's")
    assert bob.titles("?owner=bob-id") == ["Bob's"]
    for query in ("?owner=bob-id", "?owner=*", "?owner="):
        for path in ("/api/notes/", "/api/notes/export"):
            response = ada.get(path + query)
            assert (response.status_code, response.get_json()["code"]) == (403, "insufficient_scope")
            assert "Bob" not in response.text


def test_every_path_works_with_and_without_trailing_slash(ada: Caller) -> None:
    note = ada.write()
    for path in ("/api/notes", f"/api/notes/{note['id']}", "/api/notes/export", "/api/whoami"):
        assert ada.get(path).status_code == 200
        assert ada.get(f"{path}/").status_code == 200
    assert ada.call("POST", "/api/notes", json={"title": "x"}).status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/notes/", {"GET", "HEAD", "POST"}),
        ("OPTIONS", "/api/notes/", {"GET", "HEAD", "POST"}),
        ("POST", "/api/notes/00000000-0000-4000-8000-000000000000/", {"GET", "HEAD", "PATCH", "DELETE"}),
        ("DELETE", "/api/whoami", {"GET", "HEAD"}),
    ],
)
def test_another_method_is_answered_405_with_allow(ada: Caller, method: str, path: str, allowed: set[str]) -> None:
    response = ada.call(method, path)
    assert (response.status_code, response.get_json()["code"]) == (405, "method_not_allowed")
    assert set(response.headers["Allow"].split(", ")) == allowed


@pytest.mark.parametrize("path", ["/", "/api", "/api/notes/1/", "/api//notes/", "/api/notes/%00/", "/api/notes/%ff/"])
def test_an_unknown_path_is_answered_404_with_problem_details(ada: Caller, path: str) -> None:
    response = ada.get(path)
    assert (response.status_code, response.content_type) == (404, "application/problem+json")
    assert response.get_json()["code"] == "not_found"


def test_responses_forbid_caching(ada: Caller) -> None:
    assert ada.get("/api/notes/").headers["Cache-Control"] == "no-store"
    assert ada.get("/api/notes/export").headers["Cache-Control"] == "no-store"


def test_no_response_repeats_the_host_of_the_request(app: Flask, ada: Caller) -> None:
    notes = [ada.write() for _ in range(3)]
    assert ada.get("/api/notes/?page_size=1").get_json()["next"].startswith("/api/notes/?")
    created = ada.call("POST", "/api/notes/", json={"title": "t"}, base_url=f"http://{HOST}")
    assert created.headers["Location"].startswith("/api/notes/")
    assert requests_that_echo_host(app, {IDENTITY_HEADER: ada.assertion}, {"note_id": notes[0]["id"]}) == []
