"""The client of an event: the client of the request, or the one for which the gateway calls."""

from flask import Flask

from auth_service.api.client_of_request import client_of_request, set_client_of_request
from auth_service.events.client import MAX_ADDRESS, UNKNOWN_CLIENT, Client

BROWSER = Client("a browser", "203.0.113.7")


def test_the_client_of_a_request_is_its_user_agent_and_address(app: Flask) -> None:
    environ = {"REMOTE_ADDR": "192.0.2.7"}
    with app.test_request_context("/", headers={"User-Agent": "a phone"}, environ_base=environ):
        assert client_of_request() == Client("a phone", "192.0.2.7")


def test_a_long_address_is_truncated(app: Flask) -> None:
    with app.test_request_context("/", environ_base={"REMOTE_ADDR": "x" * 100}):
        assert client_of_request().address == "x" * MAX_ADDRESS


def test_the_gateway_sets_the_client_of_its_own_request_only(app: Flask) -> None:
    with app.test_request_context("/", headers={"User-Agent": "the gateway"}):
        set_client_of_request(BROWSER)
        assert client_of_request() == BROWSER
    with app.test_request_context("/", headers={"User-Agent": "another"}):
        assert client_of_request().device == "another"


def test_the_client_of_a_command_is_unknown(app: Flask) -> None:
    assert client_of_request() == UNKNOWN_CLIENT
    with app.app_context():
        assert client_of_request() == UNKNOWN_CLIENT
