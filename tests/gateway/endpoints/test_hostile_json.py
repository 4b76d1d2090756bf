"""No request body, header or query makes an endpoint of the gateway, or a forwarded request, fail with a 5xx."""

import pytest

from gateway.worker_application import Gateway
from tests.gateway.access_tokens import SigningKey
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import RawResponse, single_request
from tests.gateway.raw_upstream import RawUpstream
from tests.gateway.running_gateway import RunningGateway
from tests.gateway.stand_ins.auth_service import AuthStandIn
from tests.hostile_input.attack import FULL, every_body, every_query_and_header, sample
from tests.hostile_input.requests import Body, QueryOrHeader

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
SHARE, SMALL_SHARE = (200, 20) if FULL else (5, 1)
"""Number of bodies that each caller sends by POST, and by each other method. Each caller sends different bodies."""
FORWARDED = ("/public/hostile", "/api/hostile")
"""Paths that are forwarded to a service, which responds 200."""
SAME_ORIGIN = ("X-Requested-With: a", "Sec-Fetch-Site: same-origin")
CALLERS = {
    "anonymous": (),
    "a page": SAME_ORIGIN,
    "a browser": (*SAME_ORIGIN, "Cookie: __Host-session=" + "a" * 43),
    "an app": ("Authorization: Bearer a.b.c",),
}


def gateway_paths(app: Gateway) -> list[str]:
    """Return the paths of all endpoints. A new endpoint is therefore attacked as well."""
    return sorted({path.decode("ascii").rstrip("/") for path in app.gateway_paths.internal})


def send_body(gateway: RunningGateway, method: str, path: str, body: Body, fields: tuple[str, ...]) -> RawResponse:
    lines = [f"{method} {path} HTTP/1.1", "Host: h", *fields, f"Content-Length: {len(body.data)}"]
    if body.content_type:
        lines.append(f"Content-Type: {body.content_type}")
    return single_request(gateway.port, *lines, body=body.data)


def send_in_head(gateway: RunningGateway, path: str, attack: QueryOrHeader, fields: tuple[str, ...]) -> RawResponse:
    target = f"{path}?{attack.query}" if attack.query else path
    headers = (f"{name}: {value}" for name, value in attack.headers.items())
    return single_request(gateway.port, f"GET {target} HTTP/1.1", "Host: h", *fields, *headers)


@pytest.mark.parametrize("caller", CALLERS)
def test_no_hostile_request_gets_a_5xx(
    gateway: RunningGateway,
    auth_upstream: RawUpstream,
    upstream: RawUpstream,
    signing_key: SigningKey,
    make_app: MakeApp,
    caller: str,
) -> None:
    """Every response is a success or a 4xx with a JSON body; a response to HEAD has no body."""
    auth_upstream.begin(AuthStandIn(signing_key).answer)
    failures = []
    turn = list(CALLERS).index(caller)  # selects different requests for each caller
    for path in (*gateway_paths(make_app()), *FORWARDED):
        for method in METHODS:
            for body in sample(every_body(), turn, SHARE if method == "POST" else SMALL_SHARE):
                response = send_body(gateway, method, path, body, CALLERS[caller])
                if not is_acceptable(response, method):
                    failures.append((method, path, body.name, response))
        for each in sample(every_query_and_header(), turn, SHARE):
            response = send_in_head(gateway, path, each, CALLERS[caller])
            if not is_acceptable(response, "GET"):
                failures.append(("GET", path, each.name, response))
    assert failures == []


def is_acceptable(response: RawResponse, method: str) -> bool:
    """Return whether the response is a success, or a refusal in JSON."""
    is_json = "json" in str(response.get("content-type"))
    return response.status < 400 or (response.status < 500 and (is_json or method == "HEAD"))
