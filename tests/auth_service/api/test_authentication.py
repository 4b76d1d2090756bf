"""ApiView and the decorator of Flask-JWT-Extended accept and refuse the same access tokens."""

import pytest
from flask import Blueprint, Flask
from flask_jwt_extended import get_jwt_identity, jwt_required

from auth_service.api.authentication import current_caller
from auth_service.api.error_handlers import install_error_handlers
from tests.auth_service.conftest import MakeApp
from tests.auth_service.forge import Forge
from tests.auth_service.world import Operator, Person
from tests.clocks import MovableClock

NO_CREDENTIALS = {"detail": "Authentication credentials were not provided."}
METHODS = ("GET", "OPTIONS", "TRACE")


@pytest.fixture
def app_with_plain_view(make_app: MakeApp) -> Flask:
    """The service with a view at /plain that is not an ApiView and uses `@jwt_required()`."""
    blueprint = Blueprint("plain", __name__)
    install_error_handlers(blueprint)

    @blueprint.get("/plain")
    @jwt_required()  # type: ignore[untyped-decorator]  # the library annotates it as Any
    def plain() -> dict[str, str]:
        return {"identity": get_jwt_identity(), "email": current_caller().user.email, "sid": current_caller().sid}

    app = make_app()
    app.register_blueprint(blueprint)
    return app


@pytest.fixture
def person(app_with_plain_view: Flask) -> Person:
    person = Person(app_with_plain_view.test_client())
    person.register()
    person.log_in()
    return person


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("header", [None, "", "Basic YTpi", "Token x"])
def test_a_request_without_a_bearer_token_is_answered_401(ann: Person, method: str, header: str | None) -> None:
    """Also for OPTIONS, which Flask-JWT-Extended does not verify."""
    headers = {} if header is None else {"Authorization": header}
    response = ann.client.open("/auth/users/me/", method=method, headers=headers)
    assert (response.status_code, response.json) == (401, NO_CREDENTIALS)
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="api"'


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("header", ["Bearer", "Bearer a b", "Bearer a, Bearer b", "bearer é"])
def test_a_malformed_bearer_header_is_answered_401(ann: Person, method: str, header: str) -> None:
    response = ann.client.open("/auth/users/me/", method=method, headers={"Authorization": header})
    assert response.status_code == 401
    assert response.get_json()["code"] == "bad_authorization_header"


@pytest.mark.parametrize("method", METHODS)
def test_a_revoked_token_is_answered_401(ann: Person, method: str) -> None:
    ann.log_out()
    response = ann.call(method, "/auth/users/me/")
    assert response.status_code == 401
    assert response.get_json()["messages"][0]["message"] == "Token is blacklisted"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
def test_the_scheme_is_case_insensitive(ann: Person, scheme: str) -> None:
    """RFC 9110 11.1."""
    headers = {"Authorization": f"{scheme} {ann.access}"}
    assert ann.client.get("/auth/users/me/", headers=headers).status_code == 200
    assert ann.client.options("/auth/users/me/", headers=headers).status_code == 200


def test_a_view_that_is_not_an_api_view_can_use_the_decorator(person: Person) -> None:
    response = person.call("GET", "/plain")
    assert response.status_code == 200
    assert (response.get_json()["identity"], response.get_json()["email"]) == (person.id, person.email)


def test_the_decorator_refuses_the_tokens_that_an_api_view_refuses(
    person: Person, app_with_plain_view: Flask, forge: Forge, clock: MovableClock
) -> None:
    """Also tokens that the library's own parser would accept, or answer 422 or 500."""
    tokens = [
        forge.alter(person.access, drop=["exp"]),
        forge.alter(person.access, drop=["jti"]),
        forge.alter(person.access, drop=["token_type"]),
        forge.alter(person.access, iat=int(clock()) - 7200, exp=int(clock()) - 3600),
        forge.with_bad_signature(person.access),
        forge.with_algorithm(person.access, "none"),
        person.refresh,
        "a.b.c",
    ]
    for token in tokens:
        plain, api_view = person.call("GET", "/plain", access=token), person.me(token)
        assert (plain.status_code, plain.json) == (api_view.status_code, api_view.json)
        assert plain.status_code == 401
    without_token = app_with_plain_view.test_client().get("/plain")
    assert (without_token.status_code, without_token.json) == (401, NO_CREDENTIALS)


def test_the_decorator_refuses_an_inactive_user(person: Person, app_with_plain_view: Flask) -> None:
    Operator(app_with_plain_view).deactivate(person.email)
    assert person.call("GET", "/plain").get_json()["code"] == "user_inactive"
