"""The client's address behind a balancer, from the connection to the session's row, in real processes."""

import json
import socket
from http.client import HTTPConnection, HTTPResponse

import pytest

from tests.system.conftest import BALANCER
from tests.system.support.running_stack import Account, RunningStack

CLIENT = "192.0.2.77"
"""The address that the balancer forwards. The client itself claims to be 6.6.6.6."""


def log_in(stack: RunningStack, account: Account, source: str, **fields: str) -> str:
    """Return the access token of a session that was opened from the address `source`."""
    connection = HTTPConnection("127.0.0.1", int(stack.environ["GATEWAY_PORT"]), 30, source_address=(source, 0))
    body = json.dumps({"email": account.email, "password": account.password})
    headers = {
        "Content-Type": "application/json",
        **{name.replace("_", "-"): value for name, value in fields.items()},
    }
    connection.request("POST", "/auth/jwt/create/", body, headers)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    assert response.status == 200, text
    access: str = json.loads(text)["access"]
    return access


def address_of(stack: RunningStack, access: str) -> str:
    """Return the address from which the token's session was opened, as its owner sees it."""
    sessions = stack.send("GET", "/auth/sessions/", access).json()
    (current,) = [session for session in sessions if session["current"]]
    address: str = current["address"]
    return address


@pytest.mark.parametrize(
    "fields",
    [{"X_Forwarded_For": f"6.6.6.6, {CLIENT}"}, {"Forwarded": f"for=6.6.6.6, for={CLIENT};proto=https"}],
    ids=["X-Forwarded-For", "Forwarded"],
)
def test_a_session_has_the_address_that_the_balancer_names(
    stack: RunningStack, account: Account, fields: dict[str, str]
) -> None:
    """A client that is not the balancer cannot set it."""
    assert address_of(stack, log_in(stack, account, BALANCER, **fields)) == CLIENT
    assert address_of(stack, log_in(stack, account, "127.0.0.1", **fields)) == "127.0.0.1"


def test_the_proxy_protocol_header_of_the_balancer_is_required_and_used(strict_stack: RunningStack) -> None:
    account = strict_stack.register()
    body = json.dumps({"email": account.email, "password": account.password}).encode()
    head = (
        f"POST /auth/jwt/create/ HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    )
    port = int(strict_stack.environ["GATEWAY_PORT"])
    with socket.create_connection(("127.0.0.1", port), 30, source_address=(BALANCER, 0)) as balancer:
        balancer.sendall(f"PROXY TCP4 {CLIENT} 127.0.0.1 1 2\r\n{head}\r\n\r\n".encode() + body)
        response = HTTPResponse(balancer)
        response.begin()
        access = json.loads(response.read())["access"]
    assert address_of(strict_stack, access) == CLIENT
    with socket.create_connection(("127.0.0.1", port), 30, source_address=(BALANCER, 0)) as balancer:
        balancer.sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
        assert _is_closed(balancer)


def _is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True
