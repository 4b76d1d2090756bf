"""Requests as front ends of djoser send them, from the issue trackers of djoser, simplejwt and their clients."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.clients.backends import Backend
from tests.system.support.running_stack import PASSWORD, Account, Client

pytestmark = pytest.mark.timeout(120)

LOG_IN = "/auth/jwt/create/"
ME = "/auth/users/me/"


@pytest.fixture(scope="module")
def account(backend: Backend) -> Account:
    """A registered user."""
    return Client(backend.url).register()


@pytest.fixture
def send(backend: Backend) -> Callable[..., requests.Response]:
    """Send a request, without following redirects."""

    def send(method: str, path: str, **parts: Any) -> requests.Response:
        return requests.request(method, backend.url + path, timeout=30, allow_redirects=False, **parts)

    return send


@pytest.fixture
def access(backend: Backend, account: Account) -> str:
    """A valid access token."""
    return Client(backend.url).login(account).access


@pytest.mark.parametrize("word", ["null", "undefined", "", "[object Object]", '"quoted"'])
@pytest.mark.parametrize("scheme", ["Bearer", "JWT", "Token", "Basic"])
def test_whatever_authorization_a_page_keeps_it_can_register_and_log_in(
    scheme: str, word: str, send: Callable[..., requests.Response], account: Account
) -> None:
    """With simplejwt, registration answers 401 to `Bearer null`."""
    headers = {"Authorization": f"{scheme} {word}".strip()}
    body = {"email": f"{uuid.uuid4().hex}@example.com", "password": PASSWORD}
    assert send("POST", "/auth/users/", json=body, headers=headers).status_code == 201
    body = {"email": account.email, "password": PASSWORD}
    assert send("POST", LOG_IN, json=body, headers=headers).status_code == 200


@pytest.mark.parametrize("word", ["null", "undefined", "", "[object Object]"])
def test_a_token_that_is_none_is_a_401_which_makes_clients_refresh(
    word: str, send: Callable[..., requests.Response]
) -> None:
    assert send("GET", ME, headers={"Authorization": f"Bearer {word}".strip()}).status_code == 401


@pytest.mark.parametrize("path", [ME, "/api/whoami", "/auth/sessions/"])
@pytest.mark.parametrize("scheme", ["JWT", "jwt", "bearer"])
def test_a_token_under_the_scheme_of_djosers_examples_is_accepted(
    scheme: str, path: str, send: Callable[..., requests.Response], access: str
) -> None:
    """The examples of djoser set `AUTH_HEADER_TYPES = ("JWT",)`, and their front ends send `Authorization: JWT`."""
    assert send("GET", path, headers={"Authorization": f"{scheme} {access}"}).status_code == 200


def test_a_path_without_the_closing_slash_is_served_without_a_redirect(
    send: Callable[..., requests.Response], account: Account, access: str
) -> None:
    """A redirect turns POST into GET, and is refused as the response to a preflight (sunscrapers/djoser#439)."""
    body = {"email": account.email, "password": PASSWORD}
    assert send("POST", "/auth/jwt/create", json=body).status_code == 200
    assert send("GET", "/auth/users/me", headers={"Authorization": f"Bearer {access}"}).status_code == 200


def test_form_data_logs_in(send: Callable[..., requests.Response], account: Account) -> None:
    """`FormData` of a browser and of React Native is multipart/form-data."""
    parts = {"email": (None, account.email), "password": (None, PASSWORD)}
    assert send("POST", LOG_IN, files=parts).status_code == 200


@pytest.mark.parametrize(
    "accept", ["text/html,application/xhtml+xml", "application/xml", "application/json, text/plain, */*", "*/*"]
)
def test_the_answer_is_json_whatever_is_accepted(
    accept: str, send: Callable[..., requests.Response], account: Account
) -> None:
    """Django REST framework answers some with 406 or with a page."""
    body = {"email": account.email, "password": PASSWORD}
    response = send("POST", LOG_IN, json=body, headers={"Accept": accept})
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")


def test_cookies_and_csrf_fields_of_django_do_not_matter(
    send: Callable[..., requests.Response], account: Account, access: str
) -> None:
    """axios with `withCredentials` and `xsrfCookieName` sends them."""
    headers = {"Cookie": "csrftoken=abc; sessionid=def", "X-CSRFToken": "abc", "Authorization": f"Bearer {access}"}
    assert send("PATCH", ME, json={"first_name": "Ann"}, headers=headers).status_code == 200
    body = {"email": account.email, "password": PASSWORD}
    assert send("POST", LOG_IN, json=body, headers={"Cookie": headers["Cookie"]}).status_code == 200


def test_a_json_body_may_name_its_charset(send: Callable[..., requests.Response], account: Account) -> None:
    body = json.dumps({"email": account.email, "password": PASSWORD})
    headers = {"Content-Type": "application/json;charset=UTF-8"}
    assert send("POST", LOG_IN, data=body, headers=headers).status_code == 200


def test_a_refresh_with_both_tokens_and_a_stale_header_is_served(
    send: Callable[..., requests.Response], backend: Backend, account: Account
) -> None:
    """nuxt-auth sends the expired token along; others send the whole pair."""
    pair = Client(backend.url).login(account)
    body = {"access": pair.access, "refresh": pair.refresh}
    response = send("POST", "/auth/jwt/refresh/", json=body, headers={"Authorization": "Bearer expired"})
    assert (response.status_code, sorted(response.json())) == (200, ["access", "refresh"])
    assert response.headers["Cache-Control"] == "no-store"
