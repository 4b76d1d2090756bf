"""A proxy that calls /forward-auth of the running gateway, on its internal address, and then the service."""

import json

from tests.system.support.raw_http import send_raw
from tests.system.support.running_stack import RunningStack, Tokens

QUERIES = ("X-Original-Method: GET", "X-Original-URI: /api/whoami")


def test_a_service_accepts_the_identity_that_forward_auth_returned(stack: RunningStack, tokens: Tokens) -> None:
    internal, service = (stack.data_dir / "run" / name for name in ("gateway-internal.sock", "resource.sock"))
    bearer = f"Authorization: Bearer {tokens.access}"
    decision = send_raw(internal, "GET /forward-auth HTTP/1.1", *QUERIES, bearer)
    assert decision.status == 200, decision.body
    response = send_raw(service, "GET /api/whoami HTTP/1.1", f"X-Identity: {decision.fields['x-identity']}")
    assert (response.status, json.loads(response.body)["sub"]) == (200, decision.fields["x-user-id"])
    assert send_raw(service, "GET /api/whoami HTTP/1.1", "X-User-Id: root").status == 401
    assert send_raw(internal, "GET /forward-auth HTTP/1.1", *QUERIES).challenge


def test_clients_find_nothing_there(stack: RunningStack, tokens: Tokens) -> None:
    """R37."""
    response = send_raw(stack.url, "GET /forward-auth HTTP/1.1", *QUERIES, f"Authorization: Bearer {tokens.access}")
    assert (response.status, response.fields.get("x-identity")) == (404, None)
