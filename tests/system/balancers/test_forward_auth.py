"""A proxy that calls /forward-auth of the running gateway, on its internal address, and then the service."""

import json

from tests.system.support.raw_http import send_raw
from tests.system.support.running_stack import RunningStack, Tokens

ORIGINAL_REQUEST = ("X-Original-Method: GET", "X-Original-URI: /api/whoami")


def test_a_service_accepts_the_identity_that_forward_auth_returned(stack: RunningStack, tokens: Tokens) -> None:
    internal, service = (stack.data_dir / "run" / name for name in ("gateway-internal.sock", "resource.sock"))
    bearer = f"Authorization: Bearer {tokens.access}"
    decision = send_raw(internal, "GET /forward-auth HTTP/1.1", *ORIGINAL_REQUEST, bearer)
    assert decision.status == 200, decision.body
    response = send_raw(service, "GET /api/whoami HTTP/1.1", f"X-Identity: {decision.fields['x-identity']}")
    assert (response.status, json.loads(response.body)["sub"]) == (200, decision.fields["x-user-id"])
    assert send_raw(service, "GET /api/whoami HTTP/1.1", "X-User-Id: root").status == 401
    assert send_raw(internal, "GET /forward-auth HTTP/1.1", *ORIGINAL_REQUEST).challenge


def test_forward_auth_is_404_on_the_public_address(stack: RunningStack, tokens: Tokens) -> None:
    """Only the internal address serves /forward-auth."""
    response = send_raw(
        stack.url, "GET /forward-auth HTTP/1.1", *ORIGINAL_REQUEST, f"Authorization: Bearer {tokens.access}"
    )
    assert (response.status, response.fields.get("x-identity")) == (404, None)
