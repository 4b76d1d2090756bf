"""/auth/users/: registration, which users a caller may see and change, and the password."""

import threading
from pathlib import Path
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from auth_service.services import services
from tests.auth_service.conftest import MakeApp
from tests.auth_service.sql_statements import statements
from tests.auth_service.world import PASSWORD, Operator, Person
from tests.clocks import MovableClock

TAKEN = {"email": ["user with this email already exists."]}


def test_me_is_one_select(app: Flask, ann: Person) -> None:
    """It reads the caller and checks the session in one statement."""
    assert ann.me().status_code == 200  # records that the client has received the token
    with statements(app) as executed:
        assert ann.me().status_code == 200
    assert [statement.split()[0] for statement in executed] == ["SELECT"]


def test_a_registration_returns_the_user_without_the_password(client: FlaskClient) -> None:
    response = Person(client, "Ann.Lee@Example.org").register(first_name=" Ann ", last_name="", is_staff="true")
    assert response.status_code == 201
    assert response.json
    assert response.json == {
        "first_name": "Ann",
        "last_name": "",
        "email": "Ann.Lee@Example.org",
        "id": response.json["id"],
    }


def test_an_invalid_registration_uses_no_database_and_does_not_count(make_app: MakeApp, tmp_path: Path) -> None:
    """The throttle, the check for a taken address and the password rules follow only if the body is valid."""
    without_database = make_app(DATABASE_URL=f"sqlite:///{tmp_path}/empty.db").test_client()
    for _ in range(20):
        assert without_database.post("/auth/users/", json={"email": "ann@example.org"}).json == {
            "password": ["This field is required."]
        }
    assert Person(without_database).register().status_code == 503


def test_a_registration_cannot_grant_roles(client: FlaskClient, operator: Operator) -> None:
    response = client.post(
        "/auth/users/",
        json={"email": "a@b.co", "password": PASSWORD, "roles": "staff", "is_staff": True, "is_superuser": True},
    )
    assert response.status_code == 201
    assert operator.user("a@b.co").roles == ""


@pytest.mark.parametrize("email", ["ann@example.org", "ANN@example.org", "ann@EXAMPLE.ORG"])
def test_an_address_can_be_registered_only_once_regardless_of_case(ann: Person, email: str) -> None:
    response = Person(ann.client, email).register()
    assert (response.status_code, response.json) == (400, TAKEN)


def test_concurrent_registrations_of_one_address_create_one_user(make_app: MakeApp) -> None:
    """Several can pass the first check. The unique index admits one of them, and the others are answered 400."""
    app = make_app(HASH_QUEUE="6")
    responses: list[TestResponse] = []
    barrier = threading.Barrier(6)

    def register() -> None:
        person = Person(app.test_client())
        barrier.wait()
        responses.append(person.register())

    threads = [threading.Thread(target=register) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(response.status_code for response in responses) == [201, *[400] * 5]
    assert all(response.json == TAKEN for response in responses if response.status_code == 400)


@pytest.mark.parametrize("path", ["/auth/users/me/", "/auth/users/me", "/auth/users/{id}/", "/auth/users/{id}"])
def test_a_user_can_read_and_rename_themselves(ann: Person, path: str) -> None:
    path = path.format(id=ann.id)
    assert ann.call("GET", path).json == {"first_name": "", "last_name": "", "email": ann.email, "id": ann.id}
    renamed = ann.call("PATCH", path, json={"first_name": "Anna", "email": "new@example.org", "id": "x"})
    assert renamed.json == {"first_name": "Anna", "last_name": "", "email": ann.email, "id": ann.id}
    assert ann.call("PUT", path, json={"last_name": "Lee"}).json == renamed.json | {"last_name": "Lee"}
    assert ann.call("HEAD", path).status_code == 200


@pytest.mark.parametrize(
    "path", ["/auth/users/me/", "/auth/users/", "/auth/users/{id}/", "/auth/users/set_password/"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_but_post_is_answered_401_without_a_token(ann: Person, path: str, method: str) -> None:
    """401 and not 404 or 405, so that callers without a token do not learn what exists."""
    response = ann.client.open(path.format(id=ann.id), method=method)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="api"'


def test_other_users_are_answered_404(ann: Person, bob: Person) -> None:
    """As unknown ids are. Only DELETE distinguishes them, with a 403 for an existing user, as djoser does."""
    for method in ("GET", "PUT", "PATCH"):
        response = ann.call(method, f"/auth/users/{bob.id}/", json={"first_name": "x"})
        assert (response.status_code, response.json) == (404, {"detail": "Not found."})
    forbidden = ann.call("DELETE", f"/auth/users/{bob.id}/", json={"current_password": PASSWORD})
    assert forbidden.status_code == 403
    assert ann.call("DELETE", f"/auth/users/{uuid4()}/", json={"current_password": PASSWORD}).status_code == 404
    assert bob.me().status_code == 200


def test_staff_can_read_rename_and_delete_any_user(ann: Person, bob: Person, operator: Operator) -> None:
    operator.grant(ann.email, "staff")
    ann.log_in()
    listed = ann.call("GET", "/auth/users/").json
    assert {user["email"] for user in listed or []} == {ann.email, bob.email}
    assert ann.call("PATCH", f"/auth/users/{bob.id}/", json={"first_name": "B"}).status_code == 200
    refused = ann.call("DELETE", f"/auth/users/{bob.id}/", json={"current_password": "bob's"})
    assert refused.json == {"current_password": ["Invalid password."]}
    assert ann.call("DELETE", f"/auth/users/{bob.id}/", json={"current_password": PASSWORD}).status_code == 204
    assert bob.me().json == {"detail": "User not found", "code": "user_not_found"}


def test_without_page_size_the_list_is_an_array_with_the_caller_alone(ann: Person, bob: Person) -> None:
    assert ann.call("GET", "/auth/users/").json == [ann.me().json]


def test_with_page_size_the_list_is_paginated(make_app: MakeApp, clock: MovableClock) -> None:
    app = make_app(PAGE_SIZE="2")
    people = [Person(app.test_client(), f"p{number}@example.org") for number in range(5)]
    for person in people:
        person.register()
        clock.move(1)
    Operator(app).grant(people[0].email, "staff")
    people[0].log_in()

    def page(url: str) -> dict[str, object]:
        response = people[0].call("GET", url)
        assert response.json
        return dict(response.json)

    first = page("/auth/users/")
    assert (first["count"], first["previous"]) == (5, None)
    second = page(str(first["next"]))
    assert second["previous"] == "/auth/users/"
    third = page(str(second["next"]))
    assert (third["next"], third["previous"]) == (None, "/auth/users/?page=2")
    shown = [user["email"] for part in (first, second, third) for user in part["results"]]  # type: ignore[attr-defined]  # a list of users
    assert shown == [person.email for person in people]
    assert page("/auth/users/?page=last") == third
    for wrong in ("0", "4", "-1", "x", "1.0", "٢", "9" * 400, ""):
        assert people[0].call("GET", f"/auth/users/?page={wrong}").json == {"detail": "Invalid page."}


def test_links_between_pages_begin_with_the_public_url_and_not_with_the_host(
    make_app: MakeApp,
) -> None:
    app = make_app(PAGE_SIZE="1", PUBLIC_URL="https://app.example.org")
    ann, bob = Person(app.test_client()), Person(app.test_client(), "bob@example.org")
    ann.register()
    bob.register()
    Operator(app).grant(ann.email, "staff")
    ann.log_in()
    headers = {"Authorization": f"Bearer {ann.access}", "Host": "attacker.example"}
    page = app.test_client().get("/auth/users/", headers=headers).json
    assert page
    assert page["next"] == "https://app.example.org/auth/users/?page=2"


def test_a_new_password_ends_every_other_session(ann: Person) -> None:
    elsewhere = Person(ann.client, ann.email)
    elsewhere.log_in()
    assert ann.set_password("N3wPassw0rd!!").status_code == 204
    assert ann.me().status_code == 200
    assert ann.refresh_tokens().status_code == 200
    assert elsewhere.me().status_code == 401
    assert elsewhere.refresh_tokens().status_code == 401
    assert elsewhere.log_in().status_code == 401
    elsewhere.password = "N3wPassw0rd!!"
    assert elsewhere.log_in().status_code == 200


def test_a_refused_password_changes_nothing(ann: Person) -> None:
    elsewhere = Person(ann.client, ann.email)
    elsewhere.log_in()
    assert ann.set_password("12345678").status_code == 400
    assert ann.set_password("x" * 257).json == {
        "new_password": ["Ensure this field has no more than 256 characters."]
    }
    assert elsewhere.me().status_code == 200
    assert elsewhere.log_in().status_code == 200


def test_the_second_of_two_concurrent_password_changes_fails(ann: Person, operator: Operator, app: Flask) -> None:
    stale = operator.user(ann.email)
    with app.app_context():
        users, now = services().users, services().clock()
        assert users.change_password(operator.user(ann.email), "first", now + 1, keep=None)
        assert not users.change_password(stale, "second", now + 2, keep=None)
    assert operator.user(ann.email).password_hash == "first"


def test_the_deletion_of_a_user_ends_every_session(ann: Person) -> None:
    elsewhere = Person(ann.client, ann.email)
    elsewhere.log_in()
    assert ann.call("DELETE", "/auth/users/me/", json={"current_password": ann.password}).status_code == 204
    for person in (ann, elsewhere):
        assert person.me().json == {"detail": "User not found", "code": "user_not_found"}
        assert person.refresh_tokens().json == {
            "detail": "No active account found for the given token.",
            "code": "token_not_valid",
        }
        assert person.log_in().status_code == 401
    assert Person(ann.client, ann.email).register().status_code == 201


def test_a_deactivated_user_can_log_in_again_after_activation(ann: Person, operator: Operator) -> None:
    operator.deactivate(ann.email)
    assert ann.me().json == {"detail": "User is inactive", "code": "user_inactive"}
    assert ann.refresh_tokens().json == {"detail": "No active account found for the given token."}
    operator.activate(ann.email)
    assert ann.refresh_tokens().status_code == 401, "an activation does not restore the session"
    assert ann.log_in().status_code == 200


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/auth/users/", "GET, POST, HEAD, OPTIONS"),
        ("/auth/users/me/", "GET, PUT, PATCH, DELETE, HEAD, OPTIONS"),
        ("/auth/users/set_password/", "POST, OPTIONS"),
        ("/auth/jwt/create/", "POST, OPTIONS"),
        ("/auth/jwt/refresh", "POST, OPTIONS"),
        ("/auth/jwt/verify/", "POST, OPTIONS"),
        ("/auth/jwt/blacklist", "POST, OPTIONS"),
    ],
)
def test_another_method_is_answered_405_with_allow(ann: Person, path: str, allow: str) -> None:
    options = ann.call("OPTIONS", path)
    assert (options.status_code, options.headers["Allow"]) == (200, allow)
    response = ann.call("TRACE", path)
    assert (response.status_code, response.json) == (405, {"detail": 'Method "TRACE" not allowed.'})
    assert response.headers["Allow"] == allow


UNKNOWN = [
    "users/set_username/",
    "users/zzz/",
    "users/Me/",
    "users/{12345678-1234-5678-1234-567812345678}/",  # a spelling of UUIDs that Python accepts
    "users/12345678123456781234567812345678/",  # another one
    "sessions/logout-other/",
    "jwt/destroy/",
]


@pytest.mark.parametrize("name", UNKNOWN)
@pytest.mark.parametrize("slash", ["/", ""])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_an_unknown_path_is_answered_404_without_authentication(
    client: FlaskClient, name: str, slash: str, method: str
) -> None:
    response = client.open("/auth/" + name.rstrip("/") + slash, method=method, json={"email": "ann@example.org"})
    assert (response.status_code, response.json) == (404, {"detail": "Not found."})


def test_an_unknown_user_id_is_answered_401_without_a_token(client: FlaskClient) -> None:
    """So only authenticated callers learn which users exist."""
    assert client.get(f"/auth/users/{uuid4()}/").status_code == 401


@pytest.mark.parametrize("path", ["/auth/", "/auth", "/auth/nope", "/auth/jwt/", "/auth/users/me/x"])
def test_every_other_path_is_answered_404(ann: Person, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        response = ann.call(method, path)
        assert (response.status_code, response.json) == (404, {"detail": "Not found."})
