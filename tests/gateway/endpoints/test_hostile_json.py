"""R23: nothing that is sent makes an endpoint of the gateway's own stumble, or the gateway itself on the way."""

import pytest

from gateway.app import Gateway
from tests.gateway.access_tokens import SigningKey
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import Answer, one_answer
from tests.gateway.raw_upstream import RawUpstream
from tests.gateway.running_gateway import RunningGateway
from tests.gateway.stand_ins.auth_service import AuthStandIn
from tests.hostile_calls import FULL, every_body, every_place, share
from tests.hostile_json import Body, Place

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
SHARE, SMALL_SHARE = (200, 20) if FULL else (5, 1)
"""Bodies by POST, and strings elsewhere, from each caller; what is sent by other methods. Each is sent others."""
THROUGH = ("/public/hostile", "/api/hostile")
"""What a service is asked that answers all of it."""
OURS = ("X-Requested-With: a", "Sec-Fetch-Site: same-origin")
CALLERS = {
    "nobody": (),
    "a page": OURS,
    "a browser": (*OURS, "Cookie: __Host-session=" + "a" * 43),
    "an app": ("Authorization: Bearer a.b.c",),
}


def gateway_paths(app: Gateway) -> list[str]:
    """Return the paths of every endpoint, so that a new endpoint is attacked as well."""
    return sorted(path.decode("ascii") for path in app.gateway_paths.internal if path)


def send(gateway: RunningGateway, method: str, path: str, body: Body, fields: tuple[str, ...]) -> Answer:
    lines = [f"{method} {path} HTTP/1.1", "Host: h", *fields, f"Content-Length: {len(body.data)}"]
    if body.content_type:
        lines.append(f"Content-Type: {body.content_type}")
    return one_answer(gateway.port, *lines, body=body.data)


def put(gateway: RunningGateway, path: str, place: Place, fields: tuple[str, ...]) -> Answer:
    target = f"{path}?{place.query}" if place.query else path
    said = (f"{name}: {value}" for name, value in place.headers.items())
    return one_answer(gateway.port, f"GET {target} HTTP/1.1", "Host: h", *fields, *said)


@pytest.mark.parametrize("caller", CALLERS)
def test_nothing_makes_an_endpoint_stumble(
    gateway: RunningGateway,
    auth_upstream: RawUpstream,
    upstream: RawUpstream,
    signing_key: SigningKey,
    make_app: MakeApp,
    caller: str,
) -> None:
    """What is refused is refused in JSON."""
    auth_upstream.begin(AuthStandIn(signing_key).answer)
    complaints = []
    turn = list(CALLERS).index(caller)  # so that each sends others
    for path in (*gateway_paths(make_app()), *THROUGH):
        for method in METHODS:
            for body in share(every_body(), turn, SHARE if method == "POST" else SMALL_SHARE):
                answer = send(gateway, method, path, body, CALLERS[caller])
                if not is_acceptable(answer, method):
                    complaints.append((method, path, body.name, answer))
        for place in share(every_place(), turn, SHARE):
            answer = put(gateway, path, place, CALLERS[caller])
            if not is_acceptable(answer, "GET"):
                complaints.append(("GET", path, place.name, answer))
    assert complaints == []


def is_acceptable(answer: Answer, method: str) -> bool:
    """Whether it is no failure, and a refusal that a program can read."""
    says_json = "json" in str(answer.get("content-type"))
    return answer.status < 400 or (answer.status < 500 and (says_json or method == "HEAD"))
