"""R23: no body makes an endpoint of the gateway's own stumble, whoever sends it."""

import pytest

from gateway.app import Gateway
from tests.gateway.auth_stand_in import AuthStandIn
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import Answer, one_answer
from tests.gateway.raw_upstream import RawUpstream
from tests.gateway.running_gateway import RunningGateway
from tests.gateway.tokens import SigningKey
from tests.hostile_calls import share
from tests.hostile_json import Body

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
SHARE = 10
OURS = ("X-Requested-With: a", "Sec-Fetch-Site: same-origin")
CALLERS = {
    "nobody": (),
    "a page": OURS,
    "a browser": (*OURS, "Cookie: __Host-session=a"),
    "an app": ("Authorization: Bearer a.b.c",),
}


def own_paths(app: Gateway) -> list[str]:
    """As the Flask app behind the proxy names them, so that a new endpoint is attacked as well."""
    proxy = app.begin.__self__  # type: ignore[attr-defined]  # a bound method, whose owner nobody else needs
    return sorted(rule.rule for rule in proxy._own_endpoints.app.url_map.iter_rules())


def send(gateway: RunningGateway, method: str, path: str, body: Body, fields: tuple[str, ...]) -> Answer:
    lines = [f"{method} {path} HTTP/1.1", "Host: h", *fields, f"Content-Length: {len(body.data)}"]
    if body.content_type:
        lines.append(f"Content-Type: {body.content_type}")
    return one_answer(gateway.port, *lines, body=body.data)


@pytest.mark.parametrize("caller", CALLERS)
def test_no_body_makes_an_endpoint_stumble(
    gateway: RunningGateway, auth_upstream: RawUpstream, signing_key: SigningKey, make_app: MakeApp, caller: str
) -> None:
    """What is refused is refused in JSON."""
    auth_upstream.begin(AuthStandIn(signing_key).answer)
    complaints = []
    place = 0
    for path in own_paths(make_app()):
        for method in METHODS:
            place += 1
            for body in share(place, SHARE if method == "POST" else 2):
                answer = send(gateway, method, path, body, CALLERS[caller])
                if not is_acceptable(answer, method):
                    complaints.append((method, path, body.name, answer))
    assert complaints == []


def is_acceptable(answer: Answer, method: str) -> bool:
    """Whether it is no failure, and a refusal that a program can read."""
    says_json = "json" in str(answer.get("content-type"))
    return answer.status < 400 or (answer.status < 500 and (says_json or method == "HEAD"))
