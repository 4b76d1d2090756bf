"""Requests for the gateway's own endpoints: limits of bodies, and header fields that only the gateway may set."""

import json

import pytest

from contract.internal_api import SESSIONS_PATH
from gateway.proxy.gateway_endpoints import MAX_BODY_BYTES
from tests.gateway.access_tokens import SigningKey
from tests.gateway.browser import SAME_ORIGIN, log_in
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import single_request
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.stand_ins.auth_service import PASSWORD, AuthStandIn, serving

POST = ("POST /session/ HTTP/1.1", "Host: h", *SAME_ORIGIN, "Content-Type: application/json")


@pytest.mark.parametrize("framing", ["Transfer-Encoding: chunked", f"Content-Length: {MAX_BODY_BYTES + 1}"])
def test_a_body_without_a_length_or_over_the_limit_is_refused_unread(gateway: RunningGateway, framing: str) -> None:
    answer = single_request(gateway.port, *POST, framing)
    assert (answer.status, answer.problem["code"]) == (413, "body_too_large")


def test_a_body_at_the_limit_reaches_the_endpoint(gateway: RunningGateway) -> None:
    body = json.dumps({"email": "", "password": "x" * (MAX_BODY_BYTES - 29)}).encode()
    assert len(body) == MAX_BODY_BYTES
    answer = single_request(gateway.port, *POST, f"Content-Length: {len(body)}", body=body)
    assert (answer.status, answer.problem["code"]) == (400, "invalid_fields")


def test_slow_bodies_do_not_block_the_endpoints(gateway: RunningGateway) -> None:
    """The clients are more than Flask has threads, and each has sent half of its body."""
    clients = [gateway.connect() for _ in range(40)]
    for client in clients:
        client.send("\r\n".join((*POST, "Content-Length: 2", "", "{")).encode())
    assert gateway.wait_for_clients(len(clients))
    assert single_request(gateway.port, "GET /readyz HTTP/1.1", "Host: h").status == 200
    for client in clients:
        client.close()


def test_a_request_id_of_the_client_does_not_reach_the_endpoint(gateway: RunningGateway) -> None:
    answer = single_request(gateway.port, "GET /session/ HTTP/1.1", "Host: h", "X-Request-Id: chosen-by-the-client")
    assert answer.get("x-request-id") == answer.problem["request_id"] != "chosen-by-the-client"


def test_an_endpoint_gets_the_address_of_the_connection(make_app: MakeApp, signing_key: SigningKey) -> None:
    """X-Forwarded-For of a client that is not a trusted proxy is ignored."""
    with serving(AuthStandIn(signing_key)) as auth, running(make_app(AUTH_URL=auth.url)) as gateway:
        assert log_in(gateway, PASSWORD, *SAME_ORIGIN, "X-Forwarded-For: 1.2.3.4").status == 200
        (call,) = (request for request in auth.requests if f" {SESSIONS_PATH} " in request.request_line)
    assert json.loads(call.body)["address"] == "127.0.0.1"
