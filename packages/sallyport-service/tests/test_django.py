"""Django: users with and without a row, async views, CSRF, settings, and REST framework."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django_project
import pytest
from callers import Call, asgi_caller, wsgi_caller

from sallyport_service import Identity
from sallyport_service.testing import IdentityMinter, random_secret

django_project.configure()

from django.contrib.auth import get_user_model  # noqa: E402 - models can be imported when Django is configured
from django.core.exceptions import ImproperlyConfigured  # noqa: E402
from django.core.handlers.asgi import ASGIHandler  # noqa: E402
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.test import Client, RequestFactory, override_settings  # noqa: E402

from sallyport_service.django import IdentityMiddleware, current_identity  # noqa: E402
from sallyport_service.django.backends import IdentityBackend  # noqa: E402

WITHOUT_ROWS = override_settings(AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.ModelBackend"])


@pytest.fixture(autouse=True)
def no_users() -> Iterator[None]:
    yield
    get_user_model().objects.all().delete()


@pytest.fixture
def call() -> Call:
    return wsgi_caller(WSGIHandler())


def test_the_backend_creates_one_row_for_a_caller_and_updates_it(call: Call, minter: IdentityMinter) -> None:
    def user(email: str, *roles: str) -> Any:
        return call("/user", [("X-Identity", minter.assertion("ann", email=email, roles=roles))]).json

    first = user("ann@example.org")
    assert (first["name"], first["is_staff"]) == ("ann", False)
    assert user("ann@new.example.org", "staff") == {**first, "is_staff": True}
    row = get_user_model().objects.get()
    assert (row.pk, row.email, row.is_superuser) == (first["pk"], "ann@new.example.org", False)
    assert not row.has_usable_password()


def test_a_deactivated_row_is_no_user(call: Call, minter: IdentityMinter) -> None:
    fields = [("X-Identity", minter.assertion("ann"))]
    assert call("/rest/who", fields).status == 200
    get_user_model().objects.update(is_active=False)
    assert call("/user", fields).json["pk"] is None
    assert call("/rest/who", fields).status == 401


def test_async_views_await_the_user(minter: IdentityMinter) -> None:
    """`request.user` would read the database in the event loop, which Django refuses."""
    answer = asgi_caller(ASGIHandler())("/async/user", [("X-Identity", minter.assertion("ann"))])
    assert answer.json == {"name": "ann"}


@WITHOUT_ROWS
def test_without_the_backend_the_user_has_no_row(call: Call, minter: IdentityMinter) -> None:
    fields = [("X-Identity", minter.assertion("ann", roles=["staff"]))]
    assert call("/user", fields).json == {"pk": "ann", "name": "ann", "is_staff": True}
    assert call("/rest/who", fields).json == "ann"
    assert not get_user_model().objects.exists()


def test_a_project_without_auth_and_database_works(minter: IdentityMinter) -> None:
    assertion = minter.assertion("ann", email="ann@example.org", roles=["staff"])
    command = [sys.executable, "-W", "error", django_project.__file__, assertion]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert json.loads(ran.stdout) == ["ann", "ann@example.org", True, True]


def test_a_subclass_chooses_the_field_and_who_gets_a_row(minter: IdentityMinter) -> None:
    class KnownBackend(IdentityBackend):
        subject_field = "last_name"
        creates_users = False

    identity = Identity("ann-id", "s1", "ann@example.org")
    assert KnownBackend().authenticate(None, identity=identity) is None
    get_user_model().objects.create(username="ann", last_name="ann-id")
    assert KnownBackend().authenticate(None, identity=identity).username == "ann"


def test_the_backend_knows_no_passwords() -> None:
    assert IdentityBackend().authenticate(None, username="ann", password="x") is None


def test_an_address_is_not_accepted_as_the_key_of_a_row() -> None:
    class ByAddress(IdentityBackend):
        subject_field = "email"

    with pytest.raises(ImproperlyConfigured, match="add a unique field for the user's id"):
        ByAddress().authenticate(None, identity=Identity("ann-id", "s1", "ann@example.org"))


def test_a_post_with_an_assertion_needs_no_csrf_token(minter: IdentityMinter) -> None:
    client = Client(enforce_csrf_checks=True)
    assert client.post("/post", headers=minter.headers()).status_code == 200
    assert client.post("/rest/staff", headers=minter.headers(roles=["staff"])).status_code == 200
    assert client.post("/post").status_code == 403


def test_a_session_of_django_does_not_replace_an_identity(call: Call, minter: IdentityMinter) -> None:
    client = Client()
    client.force_login(get_user_model().objects.create(username="root"), "django.contrib.auth.backends.ModelBackend")
    assert client.get("/who").status_code == 401
    assert client.get("/user", headers=minter.headers("ann")).json()["name"] == "ann"


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"IDENTITY_SECRET": "short"}, "IDENTITY_SECRET is shorter than 32 bytes"),
        ({"IDENTITY_SECRET_FILE": "/none"}, "IDENTITY_SECRET_FILE names /none, which cannot be read"),
        (
            {
                "MIDDLEWARE": [
                    f"sallyport_service.django.{IdentityMiddleware.__name__}",
                    *django_project.AUTHENTICATION,
                ]
            },
            "must come after django.contrib.auth.middleware.AuthenticationMiddleware",
        ),
    ],
)
def test_invalid_settings_stop_the_start(changed: dict[str, Any], text: str) -> None:
    with override_settings(**changed), pytest.raises(ImproperlyConfigured, match=text):
        WSGIHandler()


def test_djangos_settings_replace_the_environment(tmp_path: Path) -> None:
    secret = random_secret()
    (tmp_path / "secret").write_text(secret)
    headers = [("X-Identity", IdentityMinter(secret, "notes").assertion("ann"))]
    with override_settings(IDENTITY_SECRET_FILE=str(tmp_path / "secret"), IDENTITY_AUDIENCE="notes"):
        assert wsgi_caller(WSGIHandler())("/who", headers).json == "ann"


def test_without_the_middleware_the_error_says_what_to_do() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^MIDDLEWARE lacks"):
        current_identity(RequestFactory().get("/"))
